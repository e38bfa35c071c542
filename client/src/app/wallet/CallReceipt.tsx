import { useCallback } from 'react';
import type { Receipt } from '@/api/schemas';
import { formatDuration } from '@/money/meter';
import { formatMoney } from '@/money/money';
import { endingInWords, momentInWords } from '@/money/words';
import { ErrorNote } from '../components/ErrorNote';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';

/** How a call came to its price: time, what a subscription included, money, and what happened when. */
export function CallReceipt({ callId }: { callId: string }) {
  const { api, me } = useSession();
  const { data, error, reload } = useLoad(
    useCallback(async () => {
      const [call, receipt] = await Promise.all([api.call(callId), api.receipt(callId)]);
      return { call, receipt };
    }, [api, callId]),
  );
  if (error !== null) return <ErrorNote error={error} retry={reload} />;
  if (data === undefined)
    return <div className="skeleton receipt-skeleton" role="status" aria-label="Loading" />;
  const { call, receipt } = data;
  const earned = call.creator.userId === me?.userId;
  const other = earned ? call.fan : call.creator;
  return (
    <div className="receipt">
      <dl className="receipt-sums">
        <Line term={earned ? 'From' : 'With'} value={other.displayName} />
        <Line term="Time billed" value={formatDuration(receipt.billableMs)} />
        {receipt.includedMs > 0 && (
          <Line term="Of it in the subscription" value={formatDuration(receipt.includedMs)} />
        )}
        <Line term="Price" value={`${formatMoney(call.pricePerMinuteMinor, call.currency)} a minute`} />
        {receipt.unlockMinor > 0 && (
          <Line term="Skipped the queue" value={formatMoney(receipt.unlockMinor, receipt.currency)} />
        )}
        {earned && <Line term="Our fee" value={formatMoney(receipt.feeMinor, receipt.currency)} />}
        <Line term={earned ? 'Earned' : 'Charged'} value={total(receipt, earned)} strong />
      </dl>
      {receipt.endedReason !== null && (
        <p className="muted">{endingInWords(receipt.endedReason, earned, other.displayName)}.</p>
      )}
      <ol className="timeline" aria-label="What happened when">
        {receipt.timeline.map(({ at, event }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines never move, and two may be alike
          <li key={index}>
            <time dateTime={new Date(at).toISOString()}>{new Date(at).toLocaleTimeString()}</time>
            <span>{momentInWords(event)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

function total(receipt: Receipt, earned: boolean): string {
  if (receipt.chargedMinor === 0 && receipt.includedMs === 0) return 'Too short to be charged';
  return formatMoney(earned ? receipt.creatorMinor : receipt.chargedMinor, receipt.currency);
}

function Line({ term, value, strong = false }: { term: string; value: string; strong?: boolean }) {
  return (
    <div data-strong={strong || undefined}>
      <dt>{term}</dt>
      <dd>{value}</dd>
    </div>
  );
}
