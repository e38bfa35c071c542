import { useCallback } from 'react';
import { formatDuration } from '@/money/meter';
import { Icon } from '../components/Icon';
import { QuickTopUp } from '../payments/QuickTopUp';
import { useNow } from '../state/useNow';
import type { CallController, CallSnapshot } from './CallController';

/** What one tap adds, in minor units. */
const ONE_TAP_MINOR = 2_000;

/** The warning that the money runs out, and the one tap that helps. */
export function LowBalance({ snapshot, controller }: { snapshot: CallSnapshot; controller: CallController }) {
  const { lowUntil } = snapshot;
  const now = useNow(250, lowUntil !== null);
  const visible = lowUntil !== null;
  const done = useCallback(() => controller.toppedUp(), [controller]);

  // After the end there is nothing left to pay for.
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
              <small>Then the call ends by itself.</small>
            </span>
          </p>
          <QuickTopUp
            amountMinor={ONE_TAP_MINOR}
            onDone={done}
            thanks={(amount) => `${amount} added. The call goes on.`}
          />
        </section>
      )}
    </>
  );
}

/** So that a screen reader is not made to count: told at a minute, at 30 and at 10 seconds. */
function roundedSeconds(seconds: number): number {
  return seconds > 30 ? 60 : seconds > 10 ? 30 : 10;
}
