import { useState } from 'react';
import { Link, Redirect } from 'wouter';
import type { Conference, Me } from '@/api/schemas';
import { ErrorNote } from '../components/ErrorNote';
import { ConferenceDoor } from '../conference/ConferenceDoor';
import { ConferenceStage } from '../conference/ConferenceStage';
import { useConference, useConferenceController } from '../conference/useConference';
import { useSession } from '../state/session';
import { useTitle } from '../state/useTitle';

/** A conference by its link: first its door, then the room. */
export function ConferencePage({ roomId }: { roomId: string }) {
  const { me } = useSession();
  const { data: conference, error, reload } = useConference(roomId);
  useTitle(conference?.title ?? 'Room');
  if (me === null || me === undefined) return null;
  if (conference === undefined) {
    return (
      <main className="call call-message">
        {error === null ? (
          <p role="status">Opening the room&hellip;</p>
        ) : (
          <>
            <ErrorNote error={error} retry={reload} />
            <Link href="/" className="button button-quiet">
              To the start
            </Link>
          </>
        )}
      </main>
    );
  }
  if (conference.kind === 'battle') return <Redirect to={`/battles/${roomId}`} replace />;
  if (conference.kind !== 'conference') {
    return (
      <main className="call call-message">
        <h1>This is not a room that one joins by its link.</h1>
        <Link href="/" className="button button-quiet">
          To the start
        </Link>
      </main>
    );
  }
  return <ConferenceOf conference={conference} me={me} />;
}

function ConferenceOf({ conference, me }: { conference: Conference; me: Me }) {
  const controller = useConferenceController(conference, me);
  const [inside, setInside] = useState(false);
  if (controller === null) return null;
  if (inside) return <ConferenceStage conference={conference} me={me} controller={controller} />;
  return (
    <ConferenceDoor
      conference={conference}
      controller={controller}
      enter={() => {
        setInside(true);
        void controller.join();
      }}
    />
  );
}
