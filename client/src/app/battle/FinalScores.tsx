import { Link } from 'wouter';
import type { Battle } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { Icon } from '../components/Icon';
import { Portrait } from '../components/Portrait';
import type { Player } from './standings';

const REASONS: Readonly<Record<string, string>> = {
  HOST_ENDED: 'The curtain has fallen.',
  REPLACED: 'The battle goes on in another window.',
  CONNECTION_LOST: 'Your connection was lost for too long.',
  PAYMENT_FAILED: 'Your ticket is not valid any more.',
  ADMIN_TERMINATED: 'Ended by the site.',
};

/** After the battle: who had how much. */
export function FinalScores(props: { battle: Battle; players: readonly Player[]; reason: string }) {
  const { battle, players, reason } = props;
  const ranked = players.toSorted((a, b) => b.scoreMinor - a.scoreMinor);
  return (
    <main className="call battle-door">
      <div className="battle-door-card" role="status">
        <p className="muted">{REASONS[reason] ?? 'The battle is over.'}</p>
        <h1>{battle.title ?? 'Battle'}</h1>
        <ol className="final-scores">
          {ranked.map((player) => (
            <li key={player.userId} data-leads={player.leads || undefined}>
              <span className="final-face">
                <Portrait id={player.userId} name={player.name} size="small" />
              </span>
              <strong>{player.name}</strong>
              {player.leads && <Icon name="trophy" />}
              <span className="gold">{formatMoney(player.scoreMinor, battle.currency)}</span>
            </li>
          ))}
        </ol>
        <Link href="/battles" className="button button-primary button-wide">
          All battles
        </Link>
      </div>
    </main>
  );
}
