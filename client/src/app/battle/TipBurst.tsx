import { formatMoney } from '@/money/money';
import { Icon } from '../components/Icon';
import type { TipLine } from './BattleController';

/** Sparks around a tip, each at an angle of its own. */
const SPARKS_DEG = [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330] as const;

/** A tip, celebrated over the players for a moment, and read out. */
export function TipBurst({ tip, nameOf }: { tip: TipLine | null; nameOf: (userId: string) => string }) {
  return (
    <div className="tip-burst" role="status" aria-live="polite">
      {tip !== null && (
        <div key={tip.id} className="tip-card">
          <span className="tip-sparks" aria-hidden="true">
            {SPARKS_DEG.map((angle) => (
              <i key={angle} style={{ rotate: `${angle}deg` }} />
            ))}
          </span>
          <Icon name="gift" />
          <p>
            <strong>{formatMoney(tip.amountMinor, tip.currency)}</strong>
            <span>
              {nameOf(tip.from)} tipped {nameOf(tip.to)}
            </span>
            {tip.text !== null && tip.text !== '' && <q>{tip.text}</q>}
          </p>
        </div>
      )}
    </div>
  );
}
