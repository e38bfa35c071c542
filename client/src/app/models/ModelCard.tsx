import { Link } from 'wouter';
import type { Model } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { callPrice, minimumMinor } from '@/money/tariff';
import { Icon } from '../components/Icon';
import { Portrait } from '../components/Portrait';
import { CallButton } from './CallButton';

/** A creator among others: who, whether there, for how much. */
export function ModelCard({ model, isMe }: { model: Model; isMe: boolean }) {
  const { rates, online, displayName, subscribed } = model;
  return (
    <article className="card" data-online={online || undefined}>
      <Portrait id={model.modelId} name={displayName} />
      <p className="card-presence">
        <span className="dot" data-online={online || undefined} />
        {online ? 'Online' : 'Away'}
      </p>
      {subscribed && <SubscribedBadge />}
      <div className="card-foot">
        <h2>
          <Link href={`/models/${model.modelId}`} className="card-link">
            {displayName}
          </Link>
        </h2>
        {rates === null ? <p className="muted">No rate yet</p> : <CardPrice model={model} />}
        <CallButton model={model} isMe={isMe} />
      </div>
    </article>
  );
}

export function SubscribedBadge() {
  return (
    <p className="subscribed-badge">
      <Icon name="check" />
      Subscribed
    </p>
  );
}

function CardPrice({ model: { rates, subscribed } }: { model: Model }) {
  if (rates === null) return null;
  const { price, note, included } = callPrice(rates, subscribed);
  const leastMinor = included ? null : minimumMinor(rates);
  return (
    <p className="card-rate">
      <strong>{price}</strong> <span>{note}</span>
      {leastMinor !== null && <small>at least {formatMoney(leastMinor, rates.currency)} a call</small>}
      {rates.subscriptionMonthlyMinor !== null && !subscribed && (
        <small>or {formatMoney(rates.subscriptionMonthlyMinor, rates.currency)} a month</small>
      )}
    </p>
  );
}
