import { useId, useState } from 'react';
import { formatMoney, parseMoney } from '@/money/money';

/** Amounts offered at once, in minor units. */
export const AMOUNTS_MINOR = [1000, 2000, 5000, 10000] as const;

/** The least of the offered amounts that covers what is missing; more than they are, rounded up to whole tens. */
export function amountFor(missingMinor: number): number {
  return AMOUNTS_MINOR.find((amount) => amount >= missingMinor) ?? Math.ceil(missingMinor / 1000) * 1000;
}

interface AmountsProps {
  /** In minor units. */
  offered: readonly number[];
  amountMinor: number | null;
  currency: string;
  /** Null: what was typed is no amount. */
  choose: (amountMinor: number | null) => void;
}

/** Amounts to tap, and a field for any other. */
export function Amounts({ offered, amountMinor, currency, choose }: AmountsProps) {
  const name = useId();
  const [typed, setTyped] = useState('');
  return (
    <fieldset className="amounts">
      <legend>Amount</legend>
      {offered.map((amount) => (
        <label key={amount}>
          <input
            type="radio"
            name={name}
            checked={typed === '' && amount === amountMinor}
            onChange={() => {
              setTyped('');
              choose(amount);
            }}
          />
          <span>{formatMoney(amount, currency)}</span>
        </label>
      ))}
      <input
        className="amounts-other"
        inputMode="decimal"
        aria-label={`Other amount, in ${currency}`}
        placeholder="Other amount"
        value={typed}
        aria-invalid={typed !== '' && amountMinor === null}
        onChange={(event) => {
          setTyped(event.target.value);
          const amount = parseMoney(event.target.value, currency);
          choose(amount === 0 ? null : amount);
        }}
      />
    </fieldset>
  );
}
