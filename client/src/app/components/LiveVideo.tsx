import { useEffect, useRef, useState } from 'react';
import { Portrait } from './Portrait';

interface Props {
  id: string;
  name: string;
  /** Null: there is nothing to see or hear of this person. */
  stream: MediaStream | null;
  /** One's own picture: never heard. */
  mine: boolean;
  mirrored: boolean;
  /** There is sound only: the portrait stands for the picture. */
  pictureless?: boolean;
  /** Told of the box that is filled, for as long as it is: what is small or out of sight costs less then. */
  watch?: ((box: Element, userId: string) => () => void) | undefined;
}

/** A person in a room: live picture and sound, or a portrait. Fills whatever it is put into. */
export function LiveVideo({ id, name, stream, mine, mirrored, pictureless = false, watch }: Props) {
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
  useEffect(() => {
    // The box counts, not the picture: it is there before the first frame.
    const box = video.current?.parentElement ?? null;
    return box === null || mine ? undefined : watch?.(box, id);
  }, [id, mine, watch]);
  const unmute = () => {
    if (video.current !== null) video.current.muted = false;
    setSilenced(false);
  };
  return (
    <>
      <video
        ref={video}
        className={mirrored ? 'mirrored' : ''}
        hidden={stream === null}
        muted={mine}
        playsInline
        autoPlay
        aria-label={mine ? 'Your own picture' : `${name}, live`}
      />
      {(stream === null || pictureless) && <Portrait id={id} name={name} size="small" />}
      {silenced && (
        <button type="button" className="button button-small tile-sound" onClick={unmute}>
          Tap for sound
        </button>
      )}
    </>
  );
}
