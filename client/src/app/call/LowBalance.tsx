import { useCallback, useEffect, useState } from 'react';
import { formatDuration } from '@/money/meter';
import { formatMoney } from '@/money/money';
import { useAnnounce } from '../components/Announcer';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Sheet } from '../components/Sheet';
import { TopUp } from '../components/TopUp';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { topUpFailure } from '../state/topUp';
import { useAction, useLoad } from '../state/useLoad';
import { useNow } from '../state/useNow';
import type { CallController, CallSnapshot } from './CallController';

/** What one tap adds, in minor units. */
const ONE_TAP_MINOR = 2_000;

/** The warning that the money runs out, and the one tap that helps. */
export function LowBalance({ snapshot, controller }: { snapshot: CallSnapshot; controller: CallController }) {
  const { api } = useSession();
  const { wallet, reloadWallet } = useLive();
  const announce = useAnnounce();
  const [sheetOpen, setSheetOpen] = useState(false);
  const [declined, setDeclined] = useState<string | null>(null);
  const methods = useLoad(useCallback(() => api.paymentMethods(), [api]));
  const { lowUntil } = snapshot;
  const now = useNow(250, lowUntil !== null);
  const currency = wallet?.currency ?? 'EUR';
  const card = methods.data?.at(-1);
  const visible = lowUntil !== null;

  const done = useCallback(() => {
    setSheetOpen(false);
    controller.toppedUp();
    reloadWallet();
  }, [controller, reloadWallet]);
  const addNow = useAction(async () => {
    setDeclined(null);
    if (card === undefined) {
      setSheetOpen(true);
      return;
    }
    const failure = topUpFailure(await api.topUp(ONE_TAP_MINOR, currency, card.paymentMethodId));
    if (failure !== null) {
      setDeclined(failure);
      return;
    }
    announce(`${formatMoney(ONE_TAP_MINOR, currency)} added. The call goes on.`, 'good');
    done();
  });
  useEffect(() => {
    // After the end there is nothing left to pay for.
    if (snapshot.ending !== null) setSheetOpen(false);
  }, [snapshot.ending]);

  if (snapshot.ending !== null) return null;
  const secondsLeft = lowUntil === null ? 0 : Math.max(0, Math.ceil((lowUntil - now) / 1000));
  return (
    <>
      <p className="visually-hidden" role="alert">
        {visible && `Your balance runs out in about ${roundedSeconds(secondsLeft)} seconds.`}
      </p>
      {visible && (
        <section className="low-balance" aria-label="Low balance">
          <p>
            <Icon name="clock" />
            <span>
              <strong>{formatDuration(secondsLeft * 1000)} left</strong>
              <small>{declined ?? 'Then the call ends by itself.'}</small>
            </span>
          </p>
          <div className="low-balance-actions">
            <button
              type="button"
              className="button button-gold"
              disabled={addNow.busy}
              onClick={() => addNow.run()}
            >
              <Icon name="plus" />
              {addNow.busy ? 'Adding…' : `Add ${formatMoney(ONE_TAP_MINOR, currency)}`}
            </button>
            <button type="button" className="button button-quiet" onClick={() => setSheetOpen(true)}>
              Other
            </button>
          </div>
          {addNow.error !== null && <ErrorNote error={addNow.error} />}
        </section>
      )}
      {sheetOpen && (
        <Sheet title="Add money" onClose={() => setSheetOpen(false)}>
          <TopUp onDone={done} />
        </Sheet>
      )}
    </>
  );
}

/** So that a screen reader is not made to count: told at a minute, at 30 and at 10 seconds. */
function roundedSeconds(seconds: number): number {
  return seconds > 30 ? 60 : seconds > 10 ? 30 : 10;
}
