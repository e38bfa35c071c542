import { useState } from 'react';
import { Link } from 'wouter';
import type { Battle, Me } from '@/api/schemas';
import { BattleDoor } from '../battle/BattleDoor';
import { BattleStage } from '../battle/BattleStage';
import { useBattle, useBattleController } from '../battle/useBattle';
import { ErrorNote } from '../components/ErrorNote';
import { useSession } from '../state/session';
import type { Loaded } from '../state/useLoad';
import { useTitle } from '../state/useTitle';

/** A battle: first its door, then the stage. */
export function BattlePage({ roomId }: { roomId: string }) {
  const { me } = useSession();
  const loaded = useBattle(roomId);
  useTitle(loaded.data === undefined ? 'Battle' : (loaded.data.title ?? 'Battle'));
  if (me === null || me === undefined) return null;
  if (loaded.data === undefined) {
    return (
      <main className="call call-message">
        {loaded.error === null ? (
          <p role="status">Opening the battle&hellip;</p>
        ) : (
          <>
            <ErrorNote error={loaded.error} retry={loaded.reload} />
            <Link href="/battles" className="button button-quiet">
              All battles
            </Link>
          </>
        )}
      </main>
    );
  }
  return <BattleOf battle={loaded.data} loaded={loaded} me={me} />;
}

function BattleOf({ battle, loaded, me }: { battle: Battle; loaded: Loaded<Battle>; me: Me }) {
  /** The battle as it was when the person came in; later news comes over the room itself. */
  const [inside, setInside] = useState<Battle | null>(null);
  const controller = useBattleController(inside, me);
  if (controller === null) {
    return <BattleDoor battle={battle} me={me} reload={loaded.reload} enter={setInside} />;
  }
  return (
    <BattleStage
      battle={battle}
      me={me}
      controller={controller}
      reload={loaded.reload}
      leave={() => {
        setInside(null);
        loaded.reload();
      }}
    />
  );
}
