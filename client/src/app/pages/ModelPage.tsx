import { useCallback, useState } from 'react';
import { Link } from 'wouter';
import type { Model, Rates } from '@/api/schemas';
import { durationInWords } from '@/money/meter';
import { formatMoney } from '@/money/money';
import { callPrice, leastChargeMinor, subscriptionIncludes } from '@/money/tariff';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { LastCall } from '../components/LastCall';
import { Portrait } from '../components/Portrait';
import { CallButton } from '../models/CallButton';
import { SubscribedBadge } from '../models/ModelCard';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';
import { useTitle } from '../state/useTitle';
import { SubscribeSheet } from '../subscriptions/SubscribeSheet';

/** One creator: who this is, what a call costs, and the subscription. */
export function ModelPage({ modelId }: { modelId: string }) {
  const { api } = useSession();
  const { presence, epoch } = useLive();
  const { data, error, reload } = useLoad(
    useCallback(() => {
      // A new connection may have missed who came and went.
      void epoch;
      return api.model(modelId);
    }, [api, modelId, epoch]),
  );
  useTitle(data?.displayName ?? null);
  return (
    <>
      <LastCall />
      <p className="way-back">
        <Link href="/models">
          <Icon name="back" />
          All models
        </Link>
      </p>
      {error !== null && <ErrorNote error={error} retry={reload} />}
      {data === undefined && error === null && <div className="skeleton model-skeleton" />}
      {data !== undefined && (
        <ModelView model={{ ...data, online: presence.get(data.modelId) ?? data.online }} reload={reload} />
      )}
    </>
  );
}

function ModelView({ model, reload }: { model: Model; reload: () => void }) {
  const { me } = useSession();
  const isMe = model.modelId === me?.userId;
  return (
    <div className="model">
      <div className="model-portrait" data-online={model.online || undefined}>
        <Portrait id={model.modelId} name={model.displayName} />
      </div>
      <div className="model-offers">
        <header>
          <h1>{model.displayName}</h1>
          <p className="model-standing">
            <span className="dot" data-online={model.online || undefined} />
            {model.online ? 'Online now' : 'Away'}
            {model.subscribed && <SubscribedBadge />}
          </p>
        </header>
        {model.rates === null ? (
          <p className="muted">{model.displayName} has not set a price yet. Come back soon.</p>
        ) : (
          <>
            <CallOffer model={model} rates={model.rates} isMe={isMe} />
            <SubscriptionOffer model={model} rates={model.rates} isMe={isMe} reload={reload} />
          </>
        )}
      </div>
    </div>
  );
}

function CallOffer({ model, rates, isMe }: { model: Model; rates: Rates; isMe: boolean }) {
  const { price, note, included } = callPrice(rates, model.subscribed);
  const unlock = rates.instantUnlockMinor;
  return (
    <section className="panel offer" aria-labelledby="offer-call">
      <h2 id="offer-call">Private call</h2>
      <p className="plan-price">
        <strong>{price}</strong> {note}
      </p>
      <ul className="offer-points">
        {!included && (
          <Point>
            Charged {incrementInWords(rates.incrementMs)}, at least {durationInWords(rates.minimumMs)} (
            {formatMoney(leastChargeMinor(rates), rates.currency)})
          </Point>
        )}
        <Point>Only while you see each other; hang up at any time</Point>
        {unlock !== null && unlock > 0 && (
          <Point>Skip the queue for {formatMoney(unlock, rates.currency)} while it rings</Point>
        )}
      </ul>
      <CallButton model={model} isMe={isMe} />
    </section>
  );
}

function SubscriptionOffer(props: { model: Model; rates: Rates; isMe: boolean; reload: () => void }) {
  const { model, rates, isMe, reload } = props;
  const [open, setOpen] = useState(false);
  const includes = subscriptionIncludes(rates);
  if (includes === null || rates.subscriptionMonthlyMinor === null) return null;
  const price = formatMoney(rates.subscriptionMonthlyMinor, rates.currency);
  return (
    <section className="panel offer" aria-labelledby="offer-subscription">
      <h2 id="offer-subscription">Subscription</h2>
      <p className="plan-price">
        <strong>{price}</strong> a month
      </p>
      <ul className="offer-points">
        <Point>{includes}</Point>
        <Point>Renewed every month; cancel at any time and keep what is paid for</Point>
      </ul>
      {model.subscribed ? (
        <Link href="/subscriptions" className="button button-quiet button-wide">
          Manage your subscription
        </Link>
      ) : (
        <button
          type="button"
          className="button button-gold button-wide"
          disabled={isMe}
          onClick={() => setOpen(true)}
        >
          <Icon name="repeat" />
          Subscribe
        </button>
      )}
      {open && (
        <SubscribeSheet
          modelId={model.modelId}
          title={`Subscribe to ${model.displayName}`}
          action={`Subscribe for ${price} a month`}
          thanks={`You are subscribed to ${model.displayName}.`}
          close={() => setOpen(false)}
          onSubscribed={reload}
        >
          <p className="plan-price">
            <strong>{price}</strong> a month
          </p>
          <p className="muted">
            {includes} Renewed every month until you cancel, which takes two taps and works at any time.
          </p>
        </SubscribeSheet>
      )}
    </section>
  );
}

function Point({ children }: { children: React.ReactNode }) {
  return (
    <li>
      <Icon name="check" />
      <span>{children}</span>
    </li>
  );
}

function incrementInWords(incrementMs: number): string {
  const seconds = incrementMs / 1000;
  return seconds === 1 ? 'by the second' : seconds === 60 ? 'by the minute' : `in steps of ${seconds} s`;
}
