import { useCallback, useEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import type { Call } from '@/api/schemas';
import { ErrorNote } from '../components/ErrorNote';
import { Portrait } from '../components/Portrait';
import { QualityMark } from '../components/QualityMark';
import type { CallController, CallSnapshot } from './CallController';
import { CallControls } from './CallControls';
import { CallMeter } from './CallMeter';
import { CameraTrouble } from './CameraTrouble';
import { ChatDrawer } from './ChatDrawer';
import { LowBalance } from './LowBalance';
import { SelfView } from './SelfView';
import { useCallSnapshot } from './useCall';

/** The call itself: the other side fills the page, everything else floats on it. */
export function CallStage({
  call,
  isFan,
  controller,
}: {
  call: Call;
  isFan: boolean;
  controller: CallController;
}) {
  const snapshot = useCallSnapshot(controller);
  const video = useRef<HTMLVideoElement>(null);
  const audio = useRef<HTMLAudioElement>(null);
  const [chatOpen, setChatOpen] = useState(false);
  const closeChat = useCallback(() => setChatOpen(false), []);
  const markRead = useCallback(() => controller.markRead(), [controller]);
  const other = isFan ? call.creator : call.fan;

  useEffect(() => {
    if (video.current !== null && audio.current !== null) controller.attach(video.current, audio.current);
  }, [controller]);
  useEffect(() => {
    if (chatOpen) markRead();
  }, [chatOpen, markRead]);

  const waiting = waitingText(snapshot, other.displayName);
  return (
    <main
      className="call stage"
      data-chat={chatOpen || undefined}
      data-ended={snapshot.ending !== null || undefined}
    >
      <video
        ref={video}
        id="remote-video"
        className="stage-remote"
        playsInline
        autoPlay
        muted
        aria-label={`${other.displayName}, live`}
      />
      {/* biome-ignore lint/a11y/useMediaCaption: it is a person speaking, live */}
      <audio ref={audio} id="remote-audio" autoPlay />
      {waiting !== null && snapshot.ending === null && (
        <div className="stage-waiting">
          <Portrait id={other.userId} name={other.displayName} />
          <p role="status">{waiting}</p>
        </div>
      )}
      <header className="stage-top">
        <h1 className="stage-name">{other.displayName}</h1>
        <QualityMark reading={snapshot.quality} />
        <CallMeter call={call} isFan={isFan} snapshot={snapshot} />
      </header>
      <SelfView
        stream={snapshot.cameraMuted ? null : snapshot.localStream}
        mirrored={controller.media.facing === 'user'}
      />
      <div className="stage-middle">
        {snapshot.cameraProblem !== null && (
          <CameraTrouble problem={snapshot.cameraProblem} media={controller.media} />
        )}
        {snapshot.failure !== null && (
          <ErrorNote error={snapshot.failure} retry={() => controller.retryJoin()} />
        )}
        {isFan && <LowBalance snapshot={snapshot} controller={controller} />}
      </div>
      <CallControls
        snapshot={snapshot}
        controller={controller}
        chatOpen={chatOpen}
        toggleChat={() => setChatOpen(!chatOpen)}
      />
      {chatOpen && (
        <ChatDrawer
          title={`Chat with ${other.displayName}`}
          invitation={`Say hello to ${other.displayName}. Nothing written here is kept.`}
          named={false}
          lines={snapshot.chat.map((line) => ({ ...line, from: other.displayName }))}
          say={(text) => controller.say(text)}
          markRead={markRead}
          close={closeChat}
        />
      )}
      {snapshot.ending !== null && <Ending message={snapshot.ending} />}
    </main>
  );
}

/** What there is to wait for; null while both see each other. */
function waitingText(snapshot: CallSnapshot, other: string): string | null {
  const { connection, session, remotePresent, heldBack } = snapshot;
  if (connection === 'reconnecting')
    return 'Your connection is gone. Getting it back… You are not charged meanwhile.';
  if (connection !== 'connected') return 'Connecting…';
  if (session?.state === 'PAUSED') return `Waiting for ${other} to come back. The meter stands still.`;
  if (!remotePresent) return `Waiting for ${other}…`;
  if (heldBack) return 'No picture: your connection is too slow right now. The sound goes on.';
  return null;
}

function Ending({ message }: { message: string }) {
  return (
    <div className="ending">
      <p role="alert">{message}</p>
      <Link href="/models">Back to the models</Link>
    </div>
  );
}
