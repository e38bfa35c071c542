import { type ReactNode, useCallback, useState } from 'react';
import type { PaymentMethod, Subscription } from '@/api/schemas';
import { useAnnounce } from '../components/Announcer';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Sheet } from '../components/Sheet';
import { CardPicker } from '../payments/CardPicker';
import { Confirmation } from '../payments/Confirmation';
import { useWatched } from '../payments/useWatched';
import { useSession } from '../state/session';
import { useAction, useLoad } from '../state/useLoad';
import { isDecided } from './standing';

/**
 * A subscription is paid by card each month, so it is the card that is chosen here: to begin one, to pay what a
 * declined card owes, or to go on with one that was cancelled. `children` say what it costs.
 */
export function SubscribeSheet(props: {
  modelId: string;
  title: string;
  children: ReactNode;
  /** What the button does, in words. */
  action: string;
  thanks: string;
  close: () => void;
  onSubscribed: () => void;
}) {
  const { modelId, title, children, action, thanks, close, onSubscribed } = props;
  const { api } = useSession();
  const announce = useAnnounce();
  const methods = useLoad(useCallback(() => api.paymentMethods(), [api]));
  const [chosen, setChosen] = useState<string | null>(null);
  const [waiting, setWaiting] = useState<Subscription | null>(null);
  const [refused, setRefused] = useState(false);
  const card = methods.data?.find((method) => method.paymentMethodId === chosen) ?? methods.data?.at(-1);

  const follow = (subscription: Subscription | undefined) => {
    const stands = subscription?.state === 'active';
    setRefused(!stands && isDecided(subscription));
    setWaiting(stands || subscription === undefined || isDecided(subscription) ? null : subscription);
    if (!stands) return;
    announce(thanks, 'good');
    onSubscribed();
    close();
  };
  const subscribe = useAction(async (method: PaymentMethod) => {
    setRefused(false);
    follow(await api.subscribe(modelId, method.paymentMethodId));
  });
  useWatched(
    waiting?.subscriptionId ?? null,
    async (subscriptionId) => ({
      found: (await api.subscriptions()).find((item) => item.subscriptionId === subscriptionId),
    }),
    ({ found }) => isDecided(found),
    (seen) => (seen === null ? setWaiting(null) : follow(seen.found)),
  );
  return (
    <Sheet title={title} onClose={close}>
      {children}
      {waiting !== null ? (
        <Confirmation redirectUrl={waiting.redirectUrl} letGo={() => setWaiting(null)} />
      ) : (
        <>
          <CardPicker methods={methods} chosen={card?.paymentMethodId ?? null} choose={setChosen} />
          {refused && (
            <div className="error-note" role="alert">
              <Icon name="card" />
              <p>The payment was not confirmed with your bank. Nothing was taken. Try again.</p>
            </div>
          )}
          {subscribe.error !== null && <ErrorNote error={subscribe.error} />}
          <button
            type="button"
            className="button button-primary button-wide"
            disabled={card === undefined || subscribe.busy}
            onClick={() => card !== undefined && subscribe.run(card)}
          >
            {subscribe.busy ? 'One moment…' : action}
          </button>
        </>
      )}
    </Sheet>
  );
}
