import { Icon } from '../components/Icon';
import { LiveVideo } from '../components/LiveVideo';
import type { ConferenceController, Person, Presence } from './ConferenceController';

interface Props {
  person: Person;
  stream: MediaStream | null;
  presence: Presence;
  mine: boolean;
  mirrored: boolean;
  speaks: boolean;
  controller: ConferenceController;
  /** At which place it is shown: the others stay where they are in the document, and play on. */
  order: number;
  /** Where a last row that is not full begins, so that it stands in the middle. */
  column: number | undefined;
}

/** Why the server holds a picture back, for people; others are told that it is. */
const PAUSE_TEXT: Readonly<Record<string, string>> = {
  bandwidth: 'No picture: your connection is too slow right now',
  subscription: 'The picture comes when the tile is in sight',
  lease: 'The picture is paused by the room',
};

/** Somebody in a conference: picture and sound, the name, and what is off. */
export function ConferenceTile({
  person,
  stream,
  presence,
  mine,
  mirrored,
  speaks,
  controller,
  order,
  column,
}: Props) {
  const { userId, name } = person;
  const { micOff, cameraOff, paused } = presence;
  const states = [
    micOff && 'microphone off',
    cameraOff && paused === null && 'camera off',
    speaks && 'speaking',
  ].filter((state) => state !== false);
  const label = [mine ? 'You' : name, ...states].join(', ');
  return (
    <li
      className="tile"
      data-speaks={speaks || undefined}
      aria-label={label}
      style={{ order, gridColumnStart: column }}
    >
      <LiveVideo
        id={userId}
        name={name}
        stream={stream}
        mine={mine}
        mirrored={mirrored}
        pictureless={cameraOff}
        watch={controller.watch}
      />
      {paused !== null && (
        <p className="tile-paused">{PAUSE_TEXT[paused] ?? 'The picture is paused for the moment'}</p>
      )}
      <p className="tile-name" aria-hidden="true">
        {micOff && <Icon name="micOff" />}
        <strong>{mine ? 'You' : name}</strong>
      </p>
    </li>
  );
}
