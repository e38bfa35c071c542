import { useState } from 'react';
import { useLocation } from 'wouter';
import { ApiError } from '@/api/problem';
import type { Model } from '@/api/schemas';
import { durationInWords } from '@/money/meter';
import { formatMoney } from '@/money/money';
import { leastChargeMinor } from '@/money/tariff';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Sheet } from '../components/Sheet';
import { TopUp } from '../payments/TopUp';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useAction } from '../state/useLoad';

/** Rings a creator; leads to more money first if the wallet does not cover the shortest call. */
export function CallButton({ model, isMe }: { model: Model; isMe: boolean }) {
  const { api } = useSession();
  const { wallet, reloadWallet } = useLive();
  const [, navigate] = useLocation();
  const [needsMoney, setNeedsMoney] = useState(false);
  const call = useAction(async () => {
    try {
      const { callId } = await api.requestCall(model.modelId);
      navigate(`/call/${callId}`);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'payment_required') throw error;
      setNeedsMoney(true);
    }
  });
  const { rates, online, displayName } = model;
  return (
    <>
      <button
        type="button"
        className="button button-primary button-wide"
        disabled={!online || rates === null || isMe || call.busy}
        onClick={() => call.run()}
        aria-label={`Call ${displayName}`}
      >
        <Icon name="camera" />
        {isMe ? 'This is you' : call.busy ? 'Calling…' : 'Call'}
      </button>
      {call.error !== null && <ErrorNote error={call.error} />}
      {needsMoney && rates !== null && (
        <Sheet title={`Add money to call ${displayName}`} onClose={() => setNeedsMoney(false)}>
          <p className="muted">
            A call costs at least {formatMoney(leastChargeMinor(rates), rates.currency)}, for{' '}
            {durationInWords(rates.minimumMs)}. What you do not use stays in your wallet.
          </p>
          <TopUp
            missingMinor={leastChargeMinor(rates) - (wallet?.availableMinor ?? 0)}
            onDone={() => {
              reloadWallet();
              setNeedsMoney(false);
            }}
          />
        </Sheet>
      )}
    </>
  );
}
