import { useCallback, useRef, useState } from 'react';
import { Link } from 'wouter';
import type { Conference, Me } from '@/api/schemas';
import { ChatDrawer } from '../call/ChatDrawer';
import { Control } from '../call/Control';
import { MediaControls } from '../call/MediaControls';
import { RoomNotes } from '../call/RoomNotes';
import { Icon } from '../components/Icon';
import { QualityMark } from '../components/QualityMark';
import { ShareLink } from '../components/ShareLink';
import type { ConferenceController, ConferenceSnapshot, Presence } from './ConferenceController';
import { ConferenceTile } from './ConferenceTile';
import { gridColumns, gridStart, MANY, places } from './gridShape';
import { useConferenceSnapshot, useSize } from './useConference';

const ALL_ON: Presence = { micOff: false, cameraOff: false, paused: null };

/** The conference itself: everybody in equal tiles, the controls below, the chat beside or above. */
export function ConferenceStage(props: { conference: Conference; me: Me; controller: ConferenceController }) {
  const { conference, me, controller } = props;
  const snapshot = useConferenceSnapshot(controller);
  const [chatOpen, setChatOpen] = useState(false);
  const closeChat = useCallback(() => setChatOpen(false), []);
  const { people, unread, ended, connection } = snapshot;
  if (ended !== null) return <Ended reason={ended} />;
  return (
    <main className="call conference" data-chat={chatOpen || undefined}>
      <header className="conference-top">
        <h1>{conference.title ?? 'Room'}</h1>
        <p className="conference-count" role="status">
          {people.length === 0 ? 'Only you' : `${people.length + 1} here`}
        </p>
        <QualityMark reading={snapshot.quality} />
      </header>
      <Grid snapshot={snapshot} me={me} controller={controller} />
      {people.length === 0 && connection === 'connected' && (
        <section className="conference-alone" aria-label="Invite">
          <p>Nobody else is here yet. Send them the link.</p>
          <ShareLink path={`/rooms/${conference.roomId}`} />
        </section>
      )}
      <RoomNotes state={snapshot} media={controller.media} retry={() => controller.join()} />
      <div className="controls" role="toolbar" aria-label="Room controls">
        <MediaControls state={snapshot} media={controller.media} canFlip />
        <Control
          icon="chat"
          label={unread > 0 ? `Chat, ${unread} unread` : 'Chat'}
          pressed={chatOpen}
          badge={unread}
          act={() => setChatOpen(!chatOpen)}
        />
        <Link href="/" className="control control-danger" aria-label="Leave the room" title="Leave the room">
          <Icon name="leave" />
        </Link>
      </div>
      {chatOpen && (
        <ChatDrawer
          title="Chat"
          invitation="Everybody in the room reads what is written here. Nothing of it is kept."
          named
          lines={snapshot.chat}
          say={(text) => controller.say(text)}
          markRead={controller.markRead}
          close={closeChat}
        />
      )}
    </main>
  );
}

function Grid(props: { snapshot: ConferenceSnapshot; me: Me; controller: ConferenceController }) {
  const { snapshot, me, controller } = props;
  const grid = useRef<HTMLUListElement>(null);
  const { width, height } = useSize(grid);
  const { people, streams, presences, localStream, micMuted, cameraMuted, speaker, spokeLast } = snapshot;
  const tiles = people.length + 1;
  const columns = gridColumns(tiles, width, height);
  const { others, own } = places(
    people.map(({ userId }) => userId),
    spokeLast,
  );
  const standing = (order: number) => ({ order, column: gridStart(order, tiles, columns) });
  return (
    <ul
      ref={grid}
      className="conference-grid"
      aria-label="People in the room"
      data-many={people.length >= MANY || undefined}
      style={{ gridTemplateColumns: `repeat(${columns * 2}, minmax(0, 1fr))` }}
    >
      <ConferenceTile
        person={{ userId: me.userId, name: me.displayName }}
        stream={cameraMuted ? null : localStream}
        presence={{ micOff: micMuted || localStream === null, cameraOff: cameraMuted, paused: null }}
        mine
        mirrored={controller.media.facing === 'user'}
        speaks={speaker === me.userId && !micMuted}
        controller={controller}
        {...standing(own)}
      />
      {people.map((person, index) => (
        <ConferenceTile
          key={person.userId}
          person={person}
          stream={streams.get(person.userId) ?? null}
          presence={presences.get(person.userId) ?? ALL_ON}
          mine={false}
          mirrored={false}
          speaks={speaker === person.userId}
          controller={controller}
          {...standing(others[index] ?? 0)}
        />
      ))}
    </ul>
  );
}

/** Why one is in the room no more, by the server's reason. */
const ENDED_TEXT: Readonly<Record<string, string>> = {
  HOST_ENDED: 'This room was closed.',
  ADMIN_TERMINATED: 'You were removed from this room.',
  PAYMENT_FAILED: 'You were removed from this room. Reason: PAYMENT FAILED',
  TIME_EXPIRED: 'You were removed from this room. Reason: TIME EXPIRED',
  REPLACED: 'You are in this room in another window.',
  CONNECTION_LOST: 'The connection to this room was lost.',
};

function Ended({ reason }: { reason: string }) {
  return (
    <main className="call ending">
      <p role="alert">{ENDED_TEXT[reason] ?? 'You are no longer in this room.'}</p>
      <Link href="/">To the start</Link>
    </main>
  );
}
