import { useCallback, useState } from 'react';
import { Link } from 'wouter';
import type { Battle } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { NewBattleSheet } from '../battle/NewBattleSheet';
import { PotPill } from '../battle/ScoreBar';
import { namesIn, standings } from '../battle/standings';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Portrait } from '../components/Portrait';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';
import { useTitle } from '../state/useTitle';

/** The battles that are on, and for creators the way to begin one. */
export function BattlesPage() {
  useTitle('Battles');
  const { api, me } = useSession();
  const { epoch } = useLive();
  const [creating, setCreating] = useState(false);
  const { data, error, reload } = useLoad(
    useCallback(() => {
      // Asked for again after a lost connection.
      void epoch;
      return api.battles();
    }, [api, epoch]),
  );
  const isCreator = me?.role === 'creator';
  return (
    <>
      <header className="page-head">
        <div>
          <h1>Battles</h1>
          <p className="muted" aria-live="polite">
            {data === undefined ? 'Looking what is on…' : `${data.length} on now`}
          </p>
        </div>
        {isCreator && (
          <button type="button" className="button button-primary" onClick={() => setCreating(true)}>
            <Icon name="plus" />
            Start a battle
          </button>
        )}
      </header>
      {error !== null && <ErrorNote error={error} retry={reload} />}
      {data === undefined && error === null && <div className="skeleton movement-skeleton" />}
      {data?.length === 0 && (
        <div className="empty">
          <h2>No battle is on</h2>
          <p className="muted">
            {isCreator
              ? 'Start one: tickets fill the pot, tips make the score.'
              : 'Two or more creators, one stage, and the tips decide. Come back in a while.'}
          </p>
        </div>
      )}
      <ul className="battles">
        {data?.map((battle) => (
          <li key={battle.roomId}>
            <BattleCard battle={battle} />
          </li>
        ))}
      </ul>
      {creating && <NewBattleSheet close={() => setCreating(false)} />}
    </>
  );
}

function BattleCard({ battle }: { battle: Battle }) {
  const players = standings(battle, battle.scores, namesIn(battle));
  const title = battle.title ?? `Battle of ${battle.hostName ?? 'a host'}`;
  return (
    <Link href={`/battles/${battle.roomId}`} className="battle-card" aria-label={title}>
      <span className="battle-faces" aria-hidden="true">
        {players.slice(0, 4).map((player) => (
          <span key={player.userId}>
            <Portrait id={player.userId} name={player.name} size="small" />
          </span>
        ))}
      </span>
      <span className="battle-card-what">
        <strong>{title}</strong>
        <span className="muted">
          Hosted by {battle.hostName ?? 'the house'} &middot; {battle.participants.length} inside
        </span>
      </span>
      <span className="battle-card-end">
        <PotPill potMinor={battle.potMinor} currency={battle.currency} />
        <span className="battle-card-price">
          {battle.entered
            ? 'You have a ticket'
            : battle.entryFeeMinor === 0
              ? 'Free'
              : `Ticket ${formatMoney(battle.entryFeeMinor, battle.currency)}`}
        </span>
      </span>
    </Link>
  );
}
