import { useCallback, useState } from 'react';
import { formatMoney } from '@/money/money';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Sheet } from '../components/Sheet';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';
import { Confirmation } from './Confirmation';
import { TopUp } from './TopUp';
import { useTopUp } from './useTopUp';

interface Props {
  amountMinor: number;
  onDone: () => void;
  thanks?: (amount: string) => string;
}

/** One tap adds money with the card used last; the other button leads to every choice. */
export function QuickTopUp({ amountMinor, onDone, thanks }: Props) {
  const { api } = useSession();
  const { wallet } = useLive();
  const [sheetOpen, setSheetOpen] = useState(false);
  const methods = useLoad(useCallback(() => api.paymentMethods(), [api]));
  const topUp = useTopUp({ onDone, ...(thanks !== undefined && { thanks }) });
  const card = methods.data?.at(-1);
  const currency = wallet?.currency ?? 'EUR';
  if (topUp.waiting !== null) {
    return <Confirmation redirectUrl={topUp.waiting.redirectUrl} letGo={topUp.letGo} />;
  }
  return (
    <>
      {topUp.declined !== null && (
        <p className="quick-top-up-declined" role="alert">
          {topUp.declined}
        </p>
      )}
      <div className="quick-top-up">
        <button
          type="button"
          className="button button-gold"
          disabled={topUp.busy}
          onClick={() => (card === undefined ? setSheetOpen(true) : topUp.pay(amountMinor, card))}
        >
          <Icon name="plus" />
          {topUp.busy ? 'Adding…' : `Add ${formatMoney(amountMinor, currency)}`}
        </button>
        <button type="button" className="button button-quiet" onClick={() => setSheetOpen(true)}>
          Other
        </button>
      </div>
      {topUp.error !== null && <ErrorNote error={topUp.error} />}
      {sheetOpen && (
        <Sheet title="Add money" onClose={() => setSheetOpen(false)}>
          <TopUp
            missingMinor={amountMinor}
            onDone={() => {
              setSheetOpen(false);
              onDone();
            }}
          />
        </Sheet>
      )}
    </>
  );
}
