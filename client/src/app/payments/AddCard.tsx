import { useCallback, useState } from 'react';
import type { Gateway, PaymentMethod } from '@/api/schemas';
import { ErrorNote } from '../components/ErrorNote';
import { useSession } from '../state/session';
import { useAction, useLoad } from '../state/useLoad';
import { StripeCard } from './StripeCard';

/** The sandbox's cards, named as Stripe names its test cards. */
const SANDBOX_CARDS = [
  { token: 'pm_card_visa', label: 'Visa that pays' },
  { token: 'pm_card_authenticationRequired', label: 'Card that wants a confirmation' },
  { token: 'pm_card_chargeDeclined', label: 'Card that is declined' },
  { token: 'pm_card_chargeDeclinedInsufficientFunds', label: 'Card without enough money' },
  { token: 'pm_card_fails_after_2', label: 'Card that pays twice, then no more' },
  { token: 'pm_card_createDispute', label: 'Card whose owner disputes' },
] as const;

/** A new card, entered in the way of the gateway that will charge it. */
export function AddCard({ onAdded }: { onAdded: (method: PaymentMethod) => void }) {
  const { api } = useSession();
  const gateways = useLoad(useCallback(() => api.gateways(), [api]));
  const [wish, setWish] = useState<string | null>(null);
  if (gateways.error !== null) return <ErrorNote error={gateways.error} retry={gateways.reload} />;
  if (gateways.data === undefined) return <div className="skeleton add-card-skeleton" />;
  const chosen = gateways.data.find(({ gateway }) => gateway === wish) ?? gateways.data[0];
  if (chosen === undefined) return <p className="muted">This site takes no cards at the moment.</p>;
  return (
    <>
      {gateways.data.length > 1 && (
        <GatewayChoice gateways={gateways.data} chosen={chosen.gateway} choose={setWish} />
      )}
      {chosen.cardEntry === 'payment_element' ? (
        <StripeCard key={chosen.gateway} gateway={chosen.gateway} onAdded={onAdded} />
      ) : (
        <SandboxCard gateway={chosen.gateway} onAdded={onAdded} />
      )}
    </>
  );
}

function GatewayChoice(props: {
  gateways: readonly Gateway[];
  chosen: string;
  choose: (gateway: string) => void;
}) {
  return (
    <label className="field">
      <span>Pay through</span>
      <select value={props.chosen} onChange={(event) => props.choose(event.target.value)}>
        {props.gateways.map(({ gateway, cardEntry }) => (
          <option key={gateway} value={gateway}>
            {cardEntry === 'payment_element' ? 'Card, handled by Stripe' : 'Test cards'}
          </option>
        ))}
      </select>
    </label>
  );
}

function SandboxCard({ gateway, onAdded }: { gateway: string; onAdded: (method: PaymentMethod) => void }) {
  const { api } = useSession();
  const [token, setToken] = useState<string>(SANDBOX_CARDS[0].token);
  const add = useAction(async () => onAdded(await api.addPaymentMethod(gateway, token)));
  return (
    <div className="add-card">
      <label className="field">
        <span>Test card</span>
        <select value={token} onChange={(event) => setToken(event.target.value)}>
          {SANDBOX_CARDS.map((card) => (
            <option key={card.token} value={card.token}>
              {card.label}
            </option>
          ))}
        </select>
        <small>This site runs with a test gateway: no real money moves.</small>
      </label>
      {add.error !== null && <ErrorNote error={add.error} />}
      <button type="button" className="button button-quiet" disabled={add.busy} onClick={() => add.run()}>
        {add.busy ? 'Saving…' : 'Save card'}
      </button>
    </div>
  );
}
