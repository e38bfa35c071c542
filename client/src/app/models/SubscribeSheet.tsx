import { useCallback, useState } from 'react';
import type { Model, PaymentMethod, Rates, Subscription } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { subscriptionIncludes } from '@/money/tariff';
import { useAnnounce } from '../components/Announcer';
import { ErrorNote } from '../components/ErrorNote';
import { Sheet } from '../components/Sheet';
import { CardPicker } from '../payments/CardPicker';
import { Confirmation } from '../payments/Confirmation';
import { useWatched } from '../payments/useWatched';
import { useSession } from '../state/session';
import { useAction, useLoad } from '../state/useLoad';

/** A subscription is paid by card each month, so it is the card that is chosen here. */
export function SubscribeSheet(props: {
  model: Model;
  rates: Rates;
  close: () => void;
  onSubscribed: () => void;
}) {
  const { model, rates, close, onSubscribed } = props;
  const { api } = useSession();
  const announce = useAnnounce();
  const methods = useLoad(useCallback(() => api.paymentMethods(), [api]));
  const [chosen, setChosen] = useState<string | null>(null);
  const [waiting, setWaiting] = useState<Subscription | null>(null);
  const card = methods.data?.find((method) => method.paymentMethodId === chosen) ?? methods.data?.at(-1);

  const done = () => {
    announce(`You are subscribed to ${model.displayName}.`, 'good');
    onSubscribed();
    close();
  };
  const subscribe = useAction(async (method: PaymentMethod) => {
    const subscription = await api.subscribe(model.modelId, method.paymentMethodId);
    if (subscription.redirectUrl === null) done();
    else setWaiting(subscription);
  });
  useWatched(
    waiting?.subscriptionId ?? null,
    () => api.model(model.modelId),
    ({ subscribed }) => subscribed,
    (seen) => (seen === null ? setWaiting(null) : done()),
  );
  const price = formatMoney(rates.subscriptionMonthlyMinor ?? 0, rates.currency);
  return (
    <Sheet title={`Subscribe to ${model.displayName}`} onClose={close}>
      <p className="plan-price">
        <strong>{price}</strong> a month
      </p>
      <p className="muted">
        {subscriptionIncludes(rates)} Renewed every month until you cancel, which takes two taps and works at
        any time.
      </p>
      {waiting !== null ? (
        <Confirmation redirectUrl={waiting.redirectUrl} letGo={() => setWaiting(null)} />
      ) : (
        <>
          <CardPicker methods={methods} chosen={card?.paymentMethodId ?? null} choose={setChosen} />
          {subscribe.error !== null && <ErrorNote error={subscribe.error} />}
          <button
            type="button"
            className="button button-primary button-wide"
            disabled={card === undefined || subscribe.busy}
            onClick={() => card !== undefined && subscribe.run(card)}
          >
            {subscribe.busy ? 'Subscribing…' : `Subscribe for ${price} a month`}
          </button>
        </>
      )}
    </Sheet>
  );
}
