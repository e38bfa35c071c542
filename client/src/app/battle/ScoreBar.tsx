import { formatMoney } from '@/money/money';
import { Icon } from '../components/Icon';
import type { Player } from './standings';

/** Everybody's part of all tips, side by side: the longer, the nearer to winning. */
export function ScoreBar({ players, currency }: { players: readonly Player[]; currency: string }) {
  const leader = players.find(({ leads }) => leads);
  return (
    <>
      <div className="score-bar" aria-hidden="true">
        {players.map((player, index) => (
          <span
            key={player.userId}
            className={`score-part score-colour-${index % 6}`}
            style={{ flexGrow: Math.max(player.share, 0.06) }}
          >
            {formatMoney(player.scoreMinor, currency)}
          </span>
        ))}
      </div>
      <p className="visually-hidden" role="status">
        {leader !== undefined && `${leader.name} leads with ${formatMoney(leader.scoreMinor, currency)}`}
      </p>
    </>
  );
}

export function PotPill({ potMinor, currency }: { potMinor: number; currency: string }) {
  return (
    <p className="pot-pill">
      <Icon name="trophy" />
      <span>Pot</span>
      <strong>{formatMoney(potMinor, currency)}</strong>
    </p>
  );
}
