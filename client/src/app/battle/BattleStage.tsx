import { useEffect, useMemo, useState } from 'react';
import { Link } from 'wouter';
import type { Battle, Me } from '@/api/schemas';
import { Control } from '../call/Control';
import { MediaControls } from '../call/MediaControls';
import { RoomNotes } from '../call/RoomNotes';
import { Icon } from '../components/Icon';
import type { BattleController, BattleSnapshot } from './BattleController';
import { BattleFeed } from './BattleFeed';
import { EndSheet } from './EndSheet';
import { FinalScores } from './FinalScores';
import { PlayerTile } from './PlayerTile';
import { PotPill, ScoreBar } from './ScoreBar';
import { type Player, standings } from './standings';
import { TipBurst } from './TipBurst';
import { TipSheet } from './TipSheet';
import { useBattleSnapshot } from './useBattle';

/** The battle itself: the players, their scores, the pot, and what is tipped and written. */
export function BattleStage(props: {
  battle: Battle;
  me: Me;
  controller: BattleController;
  reload: () => void;
  leave: () => void;
}) {
  const { battle, me, controller, reload, leave } = props;
  const snapshot = useBattleSnapshot(controller);
  const { scores, names, arrivals, entryRequired, ended } = snapshot;
  const [tipping, setTipping] = useState<Player | null>(null);
  const [ending, setEnding] = useState(false);
  const players = useMemo(() => standings(battle, scores, names), [battle, scores, names]);
  const isHost = battle.hostId === me.userId;

  useEffect(() => {
    // Whoever came may have put a ticket into the pot.
    if (arrivals > 0) reload();
  }, [arrivals, reload]);
  useEffect(() => {
    if (entryRequired) leave();
  }, [entryRequired, leave]);
  useEffect(() => {
    if (ended === null) return;
    setTipping(null);
    setEnding(false);
  }, [ended]);

  if (ended !== null) return <FinalScores battle={battle} players={players} reason={ended} />;
  return (
    <main className="call battle">
      <header className="battle-top">
        <div className="battle-title">
          <h1>{battle.title ?? 'Battle'}</h1>
          <PotPill potMinor={battle.potMinor} currency={battle.currency} />
        </div>
        <ScoreBar players={players} currency={battle.currency} />
      </header>
      <section className="battle-grid" data-count={Math.min(players.length, 9)} aria-label="Players">
        {players.map((player) => (
          <PlayerTile
            key={player.userId}
            player={player}
            currency={battle.currency}
            stream={streamOf(player, me, snapshot)}
            mine={player.userId === me.userId}
            mirrored={player.userId === me.userId && controller.media.facing === 'user'}
            watch={controller.watch}
            tip={player.userId === me.userId ? null : () => setTipping(player)}
          />
        ))}
        <TipBurst tip={snapshot.tip} nameOf={(userId) => names.get(userId) ?? 'Somebody'} />
        <RoomNotes state={snapshot} media={controller.media} retry={() => controller.join()} />
      </section>
      <BattleFeed snapshot={snapshot} controller={controller} myId={me.userId}>
        {controller.onStage && <MediaControls state={snapshot} media={controller.media} canFlip={false} />}
        <Link href="/battles" className="control" aria-label="Leave" title="Leave">
          <Icon name="leave" />
        </Link>
        {isHost && <Control icon="trophy" label="End the battle" danger act={() => setEnding(true)} />}
      </BattleFeed>
      {tipping !== null && (
        <TipSheet
          battle={battle}
          players={players.filter(({ userId }) => userId !== me.userId)}
          to={tipping}
          controller={controller}
          close={() => setTipping(null)}
        />
      )}
      {ending && <EndSheet battle={battle} close={() => setEnding(false)} />}
    </main>
  );
}

function streamOf(player: Player, me: Me, { streams, localStream, cameraMuted }: BattleSnapshot) {
  if (player.userId !== me.userId) return streams.get(player.userId) ?? null;
  return cameraMuted ? null : localStream;
}
