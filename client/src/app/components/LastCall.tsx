import { useCallback, useEffect } from 'react';
import { formatDuration } from '@/money/meter';
import { formatMoney } from '@/money/money';
import { useLastCall } from '../state/lastCall';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';
import { Icon } from './Icon';

/** The receipt of the call that has just ended: time and money, as they were settled. */
export function LastCall() {
  const { callId, forget } = useLastCall();
  return callId === null ? null : <Receipt key={callId} callId={callId} forget={forget} />;
}

/** Settlement takes a moment; asked for this often, this far apart. */
const TRIES = 8;
const TRY_EVERY_MS = 700;

function Receipt({ callId, forget }: { callId: string; forget: () => void }) {
  const { api, me } = useSession();
  const { reloadWallet } = useLive();
  const { data } = useLoad(
    useCallback(async () => {
      const call = await api.call(callId);
      for (let attempt = 1; ; attempt++) {
        try {
          return { call, receipt: await api.receipt(callId) };
        } catch (error) {
          if (attempt === TRIES) throw error;
          await new Promise((resolve) => setTimeout(resolve, TRY_EVERY_MS));
        }
      }
    }, [api, callId]),
  );
  useEffect(() => {
    if (data !== undefined) reloadWallet();
  }, [data, reloadWallet]);

  if (data === undefined) return null;
  const { call, receipt } = data;
  const earned = call.creator.userId === me?.userId;
  const other = earned ? call.fan.displayName : call.creator.displayName;
  const amount = formatMoney(earned ? receipt.creatorMinor : receipt.chargedMinor, receipt.currency);
  const money =
    receipt.chargedMinor > 0
      ? `${amount} ${earned ? 'earned' : 'paid'}`
      : receipt.includedMs > 0
        ? 'included in the subscription'
        : 'too short to be charged';
  return (
    <section className="last-call" aria-label="Your last call">
      <Icon name="check" />
      <p>
        <strong>Call with {other}</strong>
        <small>
          {formatDuration(receipt.billableMs)} &middot; {money}
        </small>
      </p>
      <button type="button" className="icon-button" aria-label="Dismiss" onClick={forget}>
        <Icon name="close" />
      </button>
    </section>
  );
}
