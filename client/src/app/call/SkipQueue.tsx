import { useState } from 'react';
import { ApiError } from '@/api/problem';
import type { Call, Rates } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { leastChargeMinor } from '@/money/tariff';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Sheet } from '../components/Sheet';
import { TopUp } from '../payments/TopUp';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useAction } from '../state/useLoad';

/** While it rings: for a price of the creator's, the call begins at once. Nothing is shown where it is not offered. */
export function SkipQueue({ call, rates }: { call: Call; rates: Rates }) {
  const { api } = useSession();
  const { wallet } = useLive();
  const [needsMoney, setNeedsMoney] = useState(false);
  const unlock = useAction(async () => {
    try {
      await api.unlockCall(call.callId);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'payment_required') throw error;
      setNeedsMoney(true);
    }
  });
  const priceMinor = rates.instantUnlockMinor ?? 0;
  if (priceMinor === 0) return null;
  const price = formatMoney(priceMinor, rates.currency);
  return (
    <>
      <button
        type="button"
        className="button button-gold skip-queue"
        disabled={unlock.busy}
        onClick={() => unlock.run()}
      >
        <Icon name="bolt" />
        {unlock.busy ? 'Connecting…' : `Skip the queue for ${price}`}
      </button>
      {unlock.error !== null && <ErrorNote error={unlock.error} />}
      {needsMoney && (
        <Sheet title="Add money to skip the queue" onClose={() => setNeedsMoney(false)}>
          <p className="muted">
            {price} to skip the queue, and the price of the call. It rings on meanwhile.
          </p>
          <TopUp
            missingMinor={priceMinor + leastChargeMinor(rates) - (wallet?.availableMinor ?? 0)}
            onDone={() => setNeedsMoney(false)}
          />
        </Sheet>
      )}
    </>
  );
}
