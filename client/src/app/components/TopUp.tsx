import { useCallback, useState } from 'react';
import type { PaymentMethod } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { topUpFailure } from '../state/topUp';
import { useAction, useLoad } from '../state/useLoad';
import { useAnnounce } from './Announcer';
import { CardPicker } from './CardPicker';
import { ErrorNote } from './ErrorNote';
import { Icon } from './Icon';

/** Amounts offered at once, in minor units. */
const AMOUNTS_MINOR = [1000, 2000, 5000, 10000] as const;

/** Pays into the wallet: an amount, a card, one button. */
export function TopUp({ onDone }: { onDone?: () => void }) {
  const { api } = useSession();
  const { wallet, reloadWallet } = useLive();
  const announce = useAnnounce();
  const [amountMinor, setAmountMinor] = useState<number>(AMOUNTS_MINOR[1]);
  const [chosen, setChosen] = useState<string | null>(null);
  const [declined, setDeclined] = useState<string | null>(null);
  const methods = useLoad(useCallback(() => api.paymentMethods(), [api]));
  const currency = wallet?.currency ?? 'EUR';
  const card = methods.data?.find((method) => method.paymentMethodId === chosen) ?? methods.data?.at(-1);

  const pay = useAction(async (method: PaymentMethod) => {
    setDeclined(null);
    const topUp = await api.topUp(amountMinor, currency, method.paymentMethodId);
    const failure = topUpFailure(topUp);
    if (failure !== null) {
      setDeclined(failure);
      return;
    }
    announce(
      topUp.status === 'succeeded'
        ? `${formatMoney(amountMinor, currency)} added to your wallet.`
        : 'Your bank is still confirming. The money appears as soon as it has.',
      'good',
    );
    reloadWallet();
    onDone?.();
  });

  return (
    <div className="top-up">
      <fieldset className="amounts">
        <legend>Amount</legend>
        {AMOUNTS_MINOR.map((amount) => (
          <label key={amount}>
            <input
              type="radio"
              name="amount"
              checked={amount === amountMinor}
              onChange={() => setAmountMinor(amount)}
            />
            <span>{formatMoney(amount, currency)}</span>
          </label>
        ))}
      </fieldset>
      <CardPicker methods={methods} chosen={card?.paymentMethodId ?? null} choose={setChosen} />
      {declined !== null && (
        <div className="error-note" role="alert">
          <Icon name="card" />
          <p>{declined}</p>
        </div>
      )}
      {pay.error !== null && <ErrorNote error={pay.error} />}
      <button
        type="button"
        className="button button-primary button-wide"
        disabled={card === undefined || pay.busy}
        onClick={() => card !== undefined && pay.run(card)}
      >
        {pay.busy ? 'Paying…' : `Add ${formatMoney(amountMinor, currency)}`}
      </button>
    </div>
  );
}
