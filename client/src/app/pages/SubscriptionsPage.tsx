import { useCallback, useState } from 'react';
import { Link } from 'wouter';
import type { Subscription } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { useAnnounce } from '../components/Announcer';
import { Confirm } from '../components/Confirm';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Portrait } from '../components/Portrait';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';
import { useTitle } from '../state/useTitle';
import { standingOf } from '../subscriptions/standing';

/** Whom one is subscribed to, until when, and the way out. */
export function SubscriptionsPage() {
  useTitle('Subscriptions');
  const { api } = useSession();
  const { epoch } = useLive();
  const { data, error, reload } = useLoad(
    useCallback(() => {
      // Asked for again after a lost connection.
      void epoch;
      return api.subscriptions();
    }, [api, epoch]),
  );
  const [leaving, setLeaving] = useState<Subscription | null>(null);
  return (
    <>
      <header className="page-head">
        <h1>Subscriptions</h1>
      </header>
      {error !== null && <ErrorNote error={error} retry={reload} />}
      {data === undefined && error === null && <div className="skeleton movement-skeleton" />}
      {data?.length === 0 && <NoneYet />}
      <ul className="subscriptions">
        {data?.map((subscription) => (
          <li key={subscription.subscriptionId}>
            <SubscriptionCard subscription={subscription} cancel={() => setLeaving(subscription)} />
          </li>
        ))}
      </ul>
      {leaving !== null && (
        <CancelSheet subscription={leaving} close={() => setLeaving(null)} onCancelled={reload} />
      )}
    </>
  );
}

function SubscriptionCard({ subscription, cancel }: { subscription: Subscription; cancel: () => void }) {
  const { words, tone, cancellable, needsCard } = standingOf(subscription);
  const { displayName, modelId, priceMinor, currency } = subscription;
  return (
    <article className="subscription" aria-label={displayName}>
      <div className="subscription-portrait">
        <Portrait id={modelId} name={displayName} size="small" />
      </div>
      <div className="subscription-what">
        <h2>
          <Link href={`/models/${modelId}`}>{displayName}</Link>
        </h2>
        <p className="muted">{formatMoney(priceMinor, currency)} a month</p>
        <p className="standing" data-tone={tone}>
          {words}
        </p>
      </div>
      <div className="subscription-acts">
        {needsCard && (
          <Link href="/wallet/cards" className="button button-gold button-small">
            <Icon name="card" />
            Update card
          </Link>
        )}
        {cancellable && (
          <button type="button" className="button button-quiet button-small" onClick={cancel}>
            Cancel
            <span className="visually-hidden"> the subscription to {displayName}</span>
          </button>
        )}
      </div>
    </article>
  );
}

function CancelSheet(props: { subscription: Subscription; close: () => void; onCancelled: () => void }) {
  const { subscription, close, onCancelled } = props;
  const { api } = useSession();
  const announce = useAnnounce();
  const { displayName, currentPeriodEnd } = subscription;
  return (
    <Confirm
      title={`Cancel ${displayName}?`}
      action="Cancel subscription"
      keep="Keep it"
      close={close}
      act={async () => {
        const cancelled = await api.cancelSubscription(subscription.subscriptionId);
        announce(`${displayName}: ${standingOf(cancelled).words}.`, 'good');
        onCancelled();
      }}
    >
      <p>
        Nothing more is charged.{' '}
        {currentPeriodEnd !== null &&
          `What you have paid for stays yours until ${new Date(currentPeriodEnd).toLocaleDateString(undefined, { dateStyle: 'long' })}.`}
      </p>
    </Confirm>
  );
}

function NoneYet() {
  return (
    <div className="empty">
      <h2>No subscriptions yet</h2>
      <p className="muted">Some creators include their private calls in one. Their pages say what you get.</p>
      <Link href="/models" className="button button-primary">
        See the models
      </Link>
    </div>
  );
}
