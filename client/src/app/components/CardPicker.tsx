import { useState } from 'react';
import type { PaymentMethod } from '@/api/schemas';
import { useSession } from '../state/session';
import { type Loaded, useAction } from '../state/useLoad';
import { ErrorNote } from './ErrorNote';
import { Icon } from './Icon';

interface Props {
  methods: Loaded<PaymentMethod[]>;
  chosen: string | null;
  choose: (paymentMethodId: string) => void;
}

/** The gateway of the demo; its cards are named as Stripe names its test cards. */
const GATEWAY = 'sandbox';
const SANDBOX_CARDS = [
  { token: 'pm_card_visa', label: 'Visa that pays' },
  { token: 'pm_card_chargeDeclined', label: 'Card that is declined' },
  { token: 'pm_card_chargeDeclinedInsufficientFunds', label: 'Card without enough money' },
] as const;

/** The cards saved so far, and the way to add one. */
export function CardPicker({ methods, chosen, choose }: Props) {
  const [adding, setAdding] = useState(false);
  const { data, error, reload } = methods;
  return (
    <div className="card-picker">
      <fieldset className="saved-cards">
        <legend>Card</legend>
        {error !== null && <ErrorNote error={error} retry={reload} />}
        {data === undefined && error === null && <div className="saved-card skeleton" />}
        {data?.map((method) => (
          <label key={method.paymentMethodId} className="saved-card">
            <input
              type="radio"
              name="card"
              checked={method.paymentMethodId === chosen}
              onChange={() => choose(method.paymentMethodId)}
            />
            <Icon name="card" />
            <span className="saved-card-brand">{method.brand}</span>
            <span className="saved-card-number">
              <span className="visually-hidden">ending in </span>
              <span aria-hidden="true">&bull;&bull;&bull;&bull; </span>
              {method.last4}
            </span>
          </label>
        ))}
        {data?.length === 0 && !adding && <p className="muted">No card saved yet.</p>}
      </fieldset>
      {adding || data?.length === 0 ? (
        <AddCard
          onAdded={(method) => {
            setAdding(false);
            reload();
            choose(method.paymentMethodId);
          }}
        />
      ) : (
        <button type="button" className="button button-quiet" onClick={() => setAdding(true)}>
          <Icon name="plus" />
          Add a card
        </button>
      )}
    </div>
  );
}

function AddCard({ onAdded }: { onAdded: (method: PaymentMethod) => void }) {
  const { api } = useSession();
  const [token, setToken] = useState<string>(SANDBOX_CARDS[0].token);
  const add = useAction(async () => onAdded(await api.addPaymentMethod(GATEWAY, token)));
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
