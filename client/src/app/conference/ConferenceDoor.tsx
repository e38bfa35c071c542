import { useEffect } from 'react';
import { Link } from 'wouter';
import type { Conference } from '@/api/schemas';
import { CameraTrouble } from '../call/CameraTrouble';
import { MediaControls } from '../call/MediaControls';
import { SelfView } from '../call/SelfView';
import type { ConferenceController } from './ConferenceController';
import { useConferenceSnapshot } from './useConference';

/** Before the conference: who is there, and oneself as one will be seen. Nobody sees or hears anything of it yet. */
export function ConferenceDoor(props: {
  conference: Conference;
  controller: ConferenceController;
  enter: () => void;
}) {
  const { conference, controller, enter } = props;
  const snapshot = useConferenceSnapshot(controller);
  const { localStream, cameraMuted, cameraProblem, cameraStarting } = snapshot;
  useEffect(() => {
    void controller.media.start();
  }, [controller]);
  return (
    <main className="call ringing conference-door">
      <div className="ringing-who">
        <h1>{conference.title ?? 'Room'}</h1>
        {conference.hostName !== null && <p>opened by {conference.hostName}</p>}
        <p className="muted">{whoIsThere(conference.participants.map(({ displayName }) => displayName))}</p>
      </div>
      {cameraProblem !== null && <CameraTrouble problem={cameraProblem} media={controller.media} />}
      <SelfView
        stream={cameraMuted ? null : localStream}
        mirrored={controller.media.facing === 'user'}
        waiting={cameraStarting}
      />
      <div className="conference-door-controls" role="toolbar" aria-label="Your camera and microphone">
        <MediaControls state={snapshot} media={controller.media} canFlip />
      </div>
      <div className="ringing-actions">
        <Link href="/" className="button button-quiet">
          Not now
        </Link>
        <button type="button" className="button button-go" onClick={enter}>
          Join
        </button>
      </div>
    </main>
  );
}

/** Names that are told before it becomes a number. */
const NAMES_TOLD = 3;

export function whoIsThere(names: readonly string[]): string {
  const [first, ...others] = names;
  if (first === undefined) return 'Nobody is there yet.';
  if (others.length === 0) return `${first} is there.`;
  if (names.length <= NAMES_TOLD) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)} are there.`;
  return `${names.slice(0, NAMES_TOLD - 1).join(', ')} and ${names.length - NAMES_TOLD + 1} others are there.`;
}
