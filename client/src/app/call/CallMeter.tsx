import type { Call } from '@/api/schemas';
import { formatDuration, readMeter } from '@/money/meter';
import { formatMoney } from '@/money/money';
import { minimumMinor } from '@/money/tariff';
import { useNow } from '../state/useNow';
import type { CallSnapshot } from './CallController';

/** How often the shown seconds are brought up to date. */
const TICK_MS = 250;

/**
 * Elapsed time and cost; what is left for the fan, what was earned for the creator. As long as hanging up costs more
 * than the time so far, the fan is told.
 */
export function CallMeter({ call, isFan, snapshot }: { call: Call; isFan: boolean; snapshot: CallSnapshot }) {
  const { session, sessionAt } = snapshot;
  const now = useNow(TICK_MS, session !== null && snapshot.ending === null);
  if (session === null) return null;
  const { usedMs, costMinor, running } = readMeter(session, now - sessionAt, call);
  // The minimum is owed for paid time only: not before what is included is used up.
  const isPaid = session.includedMs === 0 || usedMs > session.includedMs;
  const leastMinor = isPaid ? minimumMinor(call) : null;
  return (
    <dl className="meter" data-running={running || undefined}>
      <div>
        <dt>Time</dt>
        <dd>
          <span className="meter-light" aria-hidden="true" />
          {formatDuration(usedMs)}
        </dd>
      </div>
      <div>
        <dt>{isFan ? 'Cost' : 'Call total'}</dt>
        <dd className="gold">
          {isFan && costMinor === 0 && session.includedMs > 0
            ? 'Included'
            : formatMoney(costMinor, call.currency)}
        </dd>
      </div>
      {!isFan && session.earnedMinor !== null && (
        <div>
          <dt>Booked for you</dt>
          <dd>{formatMoney(session.earnedMinor, call.currency)}</dd>
        </div>
      )}
      {isFan && session.balanceMinor !== null && (
        <div>
          <dt>Balance</dt>
          <dd>{formatMoney(session.balanceMinor, call.currency)}</dd>
        </div>
      )}
      {isFan && leastMinor !== null && costMinor < leastMinor && (
        <div className="meter-least">
          <dt>If you end it:</dt>
          <dd>at least {formatMoney(leastMinor, call.currency)}</dd>
        </div>
      )}
    </dl>
  );
}
