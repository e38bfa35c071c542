import type { Earnings } from '@/api/schemas';
import { formatMoney } from '@/money/money';

/** Where the earnings stand on their way to the bank. */
export function EarningsSums({ earnings }: { earnings: Earnings }) {
  const { currency, pendingMinor, payableMinor, inTransitMinor, owedMinor } = earnings;
  return (
    <dl className="sums">
      <div>
        <dt>Earned, not yet payable</dt>
        <dd>{formatMoney(pendingMinor, currency)}</dd>
      </div>
      <div>
        <dt>Ready to be paid out</dt>
        <dd className="gold">{formatMoney(payableMinor, currency)}</dd>
      </div>
      {inTransitMinor !== 0 && (
        <div>
          <dt>On its way to you</dt>
          <dd>{formatMoney(inTransitMinor, currency)}</dd>
        </div>
      )}
      {owedMinor !== 0 && (
        <div data-tone="warn">
          <dt>Owed to us, after disputes</dt>
          <dd>{formatMoney(Math.abs(owedMinor), currency)}</dd>
        </div>
      )}
    </dl>
  );
}
