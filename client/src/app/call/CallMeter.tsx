import { useCallback } from 'react';
import type { Call } from '@/api/schemas';
import { formatDuration, readMeter } from '@/money/meter';
import { formatMoney } from '@/money/money';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';
import { useNow } from '../state/useNow';
import type { CallSnapshot } from './CallController';

/** Until the creator's rates are known, cost is shown in steps of this. */
const DEFAULT_INCREMENT_MS = 1_000;
/** How often the shown seconds are brought up to date. */
const TICK_MS = 250;

/** Elapsed time and cost; what is left for the fan, what was earned for the creator. */
export function CallMeter({ call, isFan, snapshot }: { call: Call; isFan: boolean; snapshot: CallSnapshot }) {
  const { api } = useSession();
  const model = useLoad(useCallback(() => api.model(call.creator.userId), [api, call.creator.userId]));
  const { session, sessionAt } = snapshot;
  const now = useNow(TICK_MS, session !== null && snapshot.ending === null);
  if (session === null) return null;
  const tariff = {
    pricePerMinuteMinor: call.pricePerMinuteMinor,
    incrementMs: model.data?.rates?.incrementMs ?? DEFAULT_INCREMENT_MS,
  };
  const { usedMs, costMinor, running } = readMeter(session, now - sessionAt, tariff);
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
    </dl>
  );
}
