import { formatMoney } from '@/money/money';
import { Icon } from '../components/Icon';
import { LiveVideo } from '../components/LiveVideo';
import type { Player } from './standings';

interface Props {
  player: Player;
  currency: string;
  stream: MediaStream | null;
  mine: boolean;
  mirrored: boolean;
  watch: (box: Element, userId: string) => () => void;
  /** Null: oneself cannot be tipped by oneself. */
  tip: (() => void) | null;
}

/** A player: picture and sound, name and score, and the way to give. */
export function PlayerTile({ player, currency, stream, mine, mirrored, watch, tip }: Props) {
  const score = formatMoney(player.scoreMinor, currency);
  return (
    <article className="tile" data-leads={player.leads || undefined} aria-label={`${player.name}, ${score}`}>
      <LiveVideo
        id={player.userId}
        name={player.name}
        stream={stream}
        mine={mine}
        mirrored={mirrored}
        watch={watch}
      />
      <p className="tile-name">
        {player.leads && <Icon name="trophy" />}
        <strong>{mine ? 'You' : player.name}</strong>
        <span>{score}</span>
      </p>
      {tip !== null && (
        <button type="button" className="button button-gold button-small tile-tip" onClick={tip}>
          <Icon name="gift" />
          Tip<span className="visually-hidden"> {player.name}</span>
        </button>
      )}
    </article>
  );
}
