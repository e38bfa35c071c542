import { useCallback, useState } from 'react';
import { Link } from 'wouter';
import type { Subscription } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { useAnnounce } from '../components/Announcer';
import { Confirm } from '../components/Confirm';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Portrait } from '../components/Portrait';
import { confirmationUrl } from '../payments/topUp';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';
import { useTitle } from '../state/useTitle';
import { SubscribeSheet } from '../subscriptions/SubscribeSheet';
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
  const [mending, setMending] = useState<Subscription | null>(null);
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
            <SubscriptionCard
              subscription={subscription}
              cancel={() => setLeaving(subscription)}
              mend={() => setMending(subscription)}
            />
          </li>
        ))}
      </ul>
      {leaving !== null && (
        <CancelSheet subscription={leaving} close={() => setLeaving(null)} onCancelled={reload} />
      )}
      {mending !== null && (
        <MendSheet subscription={mending} close={() => setMending(null)} onMended={reload} />
      )}
    </>
  );
}

function SubscriptionCard(props: { subscription: Subscription; cancel: () => void; mend: () => void }) {
  const { subscription, cancel, mend } = props;
  const { words, tone, cancellable, remedy } = standingOf(subscription, Date.now());
  const { displayName, modelId, priceMinor, currency } = subscription;
  const confirmation = confirmationUrl(subscription.redirectUrl);
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
        {confirmation !== null && (
          <a
            className="button button-gold button-small"
            href={confirmation}
            target="_blank"
            rel="noopener noreferrer"
          >
            <Icon name="external" />
            Confirm with your bank
          </a>
        )}
        {remedy !== null && (
          <button
            type="button"
            className={`button button-small ${remedy === 'pay' ? 'button-gold' : 'button-quiet'}`}
            onClick={mend}
          >
            <Icon name={remedy === 'pay' ? 'card' : 'repeat'} />
            {remedy === 'pay' ? 'Update card' : 'Go on'}
            <span className="visually-hidden"> with {displayName}</span>
          </button>
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
        announce(`${displayName}: ${standingOf(cancelled, Date.now()).words}.`, 'good');
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

/** What is owed is paid at once; one that was cancelled just goes on. */
function MendSheet(props: { subscription: Subscription; close: () => void; onMended: () => void }) {
  const { subscription, close, onMended } = props;
  const { displayName, modelId, priceMinor, currency } = subscription;
  const price = formatMoney(priceMinor, currency);
  const owes = standingOf(subscription, Date.now()).remedy === 'pay';
  return (
    <SubscribeSheet
      modelId={modelId}
      title={owes ? `Pay for ${displayName}` : `Go on with ${displayName}`}
      action={owes ? `Pay ${price}` : 'Go on'}
      thanks={`Your subscription to ${displayName} goes on.`}
      close={close}
      onSubscribed={onMended}
    >
      <p className="muted">
        {owes
          ? `${price} are due for this month. The card you choose also pays the months to come.`
          : `Nothing is charged now. From the end of this period it is ${price} a month again.`}
      </p>
    </SubscribeSheet>
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
