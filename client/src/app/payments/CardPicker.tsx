import { useState } from 'react';
import type { PaymentMethod } from '@/api/schemas';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import type { Loaded } from '../state/useLoad';
import { AddCard } from './AddCard';

interface Props {
  methods: Loaded<PaymentMethod[]>;
  chosen: string | null;
  choose: (paymentMethodId: string) => void;
}

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
            <CardFace method={method} />
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

export function CardFace({ method }: { method: PaymentMethod }) {
  return (
    <>
      <Icon name="card" />
      <span className="saved-card-brand">{brandName(method.brand)}</span>
      <span className="saved-card-number">
        <span className="visually-hidden">ending in </span>
        <span aria-hidden="true">&bull;&bull;&bull;&bull; </span>
        {method.last4}
      </span>
    </>
  );
}

/** `visa` as "Visa"; short names are letters that stand for words, such as "JCB". */
export function brandName(brand: string): string {
  return brand.length <= 3 ? brand.toUpperCase() : brand.charAt(0).toUpperCase() + brand.slice(1);
}
