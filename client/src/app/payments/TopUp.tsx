import { useCallback, useState } from 'react';
import { formatMoney } from '@/money/money';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';
import { AMOUNTS_MINOR, Amounts, amountFor } from './Amounts';
import { CardPicker } from './CardPicker';
import { Confirmation } from './Confirmation';
import { useTopUp } from './useTopUp';

/** Pays into the wallet: an amount, a card, one button. `missingMinor` is what is needed at least. */
export function TopUp({ onDone, missingMinor = 0 }: { onDone?: () => void; missingMinor?: number }) {
  const { api } = useSession();
  const { wallet } = useLive();
  const [amountMinor, setAmountMinor] = useState<number | null>(
    Math.max(AMOUNTS_MINOR[1], amountFor(missingMinor)),
  );
  const [chosen, setChosen] = useState<string | null>(null);
  const methods = useLoad(useCallback(() => api.paymentMethods(), [api]));
  const currency = wallet?.currency ?? 'EUR';
  const card = methods.data?.find((method) => method.paymentMethodId === chosen) ?? methods.data?.at(-1);
  const topUp = useTopUp({ onDone });

  if (topUp.waiting !== null) {
    return <Confirmation redirectUrl={topUp.waiting.redirectUrl} letGo={topUp.letGo} />;
  }
  return (
    <div className="top-up">
      <Amounts
        offered={AMOUNTS_MINOR}
        amountMinor={amountMinor}
        currency={currency}
        choose={setAmountMinor}
      />
      <CardPicker methods={methods} chosen={card?.paymentMethodId ?? null} choose={setChosen} />
      {topUp.declined !== null && (
        <div className="error-note" role="alert">
          <Icon name="card" />
          <p>{topUp.declined}</p>
        </div>
      )}
      {topUp.error !== null && <ErrorNote error={topUp.error} />}
      <button
        type="button"
        className="button button-primary button-wide"
        disabled={card === undefined || amountMinor === null || topUp.busy}
        onClick={() => card !== undefined && amountMinor !== null && topUp.pay(amountMinor, card)}
      >
        {topUp.busy
          ? 'Paying…'
          : amountMinor === null
            ? 'Add money'
            : `Add ${formatMoney(amountMinor, currency)}`}
      </button>
    </div>
  );
}
