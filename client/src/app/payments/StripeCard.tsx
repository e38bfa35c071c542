import { useCallback, useEffect, useRef, useState } from 'react';
import type { PaymentMethod } from '@/api/schemas';
import { ErrorNote } from '../components/ErrorNote';
import { useSession } from '../state/session';
import { useAction, useLoad } from '../state/useLoad';
import { confirmCard, loadStripe, type StripeElements, StripeRefusal } from './stripeJs';

/** In the colours of `tokens.css`: Stripe's frame cannot read them. */
const APPEARANCE = {
  theme: 'night',
  variables: {
    colorPrimary: '#d61f4c',
    colorBackground: '#120c19',
    colorText: '#f7f2f8',
    colorDanger: '#ff9aa8',
    borderRadius: '10px',
    fontFamily: 'system-ui, sans-serif',
  },
};

/** Stripe's own form in Stripe's own frame: the number of the card never reaches this site. */
export function StripeCard({
  gateway,
  onAdded,
}: {
  gateway: string;
  onAdded: (method: PaymentMethod) => void;
}) {
  const { api } = useSession();
  const setup = useLoad(
    useCallback(async () => {
      const { clientSecret, publishableKey } = await api.setUpCard(gateway);
      const stripe = await loadStripe(publishableKey);
      return { stripe, elements: stripe.elements({ clientSecret, appearance: APPEARANCE }) };
    }, [api, gateway]),
  );
  const place = useRef<HTMLDivElement>(null);
  const { ready, failure } = useElement(setup.data?.elements, place);
  const save = useAction(async () => {
    if (setup.data === undefined) return;
    const token = await confirmCard(setup.data.stripe, setup.data.elements, location.href);
    onAdded(await api.addPaymentMethod(gateway, token));
  });
  const error = setup.error ?? failure;
  return (
    <div className="add-card">
      <div ref={place} className="stripe-card" data-ready={ready || undefined} />
      {!ready && error === null && <div className="skeleton stripe-card-skeleton" role="status" />}
      {error !== null && <ErrorNote error={error} retry={setup.reload} />}
      {save.error !== null && <ErrorNote error={save.error} />}
      <button
        type="button"
        className="button button-quiet"
        disabled={!ready || save.busy}
        onClick={() => save.run()}
      >
        {save.busy ? 'Saving…' : 'Save card'}
      </button>
    </div>
  );
}

function useElement(elements: StripeElements | undefined, place: React.RefObject<HTMLDivElement | null>) {
  const [ready, setReady] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  useEffect(() => {
    if (elements === undefined || place.current === null) return;
    setReady(false);
    setFailure(null);
    const element = elements.create('payment');
    element.on('ready', () => setReady(true));
    element.on('loaderror', ({ error }) =>
      setFailure(new StripeRefusal(error.message ?? 'The card form could not be loaded.')),
    );
    element.mount(place.current);
    return () => element.destroy();
  }, [elements, place]);
  return { ready, failure };
}
