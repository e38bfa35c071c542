import { useEffect, useRef, useState } from 'react';
import { formatMoney } from '@/money/money';
import { Icon } from '../components/Icon';
import { Portrait } from '../components/Portrait';
import type { Player } from './standings';

interface Props {
  player: Player;
  currency: string;
  stream: MediaStream | null;
  mine: boolean;
  mirrored: boolean;
  /** Null: oneself cannot be tipped by oneself. */
  tip: (() => void) | null;
}

/** A player: picture and sound, name and score, and the way to give. */
export function PlayerTile({ player, currency, stream, mine, mirrored, tip }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const [silenced, setSilenced] = useState(false);
  useEffect(() => {
    const element = video.current;
    if (element === null) return;
    element.srcObject = stream;
    if (stream === null) return;
    // Some browsers play no sound until the page is touched: then picture first, sound by a tap.
    element.play()?.catch(() => {
      element.muted = true;
      setSilenced(!mine);
      element.play()?.catch((): void => undefined);
    });
    return () => {
      element.srcObject = null;
    };
  }, [stream, mine]);
  const unmute = () => {
    if (video.current !== null) video.current.muted = false;
    setSilenced(false);
  };
  const score = formatMoney(player.scoreMinor, currency);
  return (
    <article className="tile" data-leads={player.leads || undefined} aria-label={`${player.name}, ${score}`}>
      {stream === null && <Portrait id={player.userId} name={player.name} />}
      <video
        ref={video}
        className={mirrored ? 'mirrored' : ''}
        hidden={stream === null}
        muted={mine}
        playsInline
        autoPlay
        aria-label={mine ? 'Your own picture' : `${player.name}, live`}
      />
      <p className="tile-name">
        {player.leads && <Icon name="trophy" />}
        <strong>{mine ? 'You' : player.name}</strong>
        <span>{score}</span>
      </p>
      {silenced && (
        <button type="button" className="button button-small tile-sound" onClick={unmute}>
          Tap for sound
        </button>
      )}
      {tip !== null && (
        <button type="button" className="button button-gold button-small tile-tip" onClick={tip}>
          <Icon name="gift" />
          Tip<span className="visually-hidden"> {player.name}</span>
        </button>
      )}
    </article>
  );
}
