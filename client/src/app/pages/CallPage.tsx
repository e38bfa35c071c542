import { useEffect } from 'react';
import { Link } from 'wouter';
import type { Call, Me } from '@/api/schemas';
import type { CallController } from '../call/CallController';
import { CallStage } from '../call/CallStage';
import { Ringing } from '../call/Ringing';
import { useCall, useCallController, useCallSnapshot } from '../call/useCall';
import { ErrorNote } from '../components/ErrorNote';
import { rememberLastCall } from '../state/lastCall';
import { useSession } from '../state/session';
import { useTitle } from '../state/useTitle';

/** States before anybody can join, and after nobody can. The ones between are live. */
const RINGING: ReadonlySet<string> = new Set(['REQUESTED', 'AUTHORIZING']);
const OVER: ReadonlySet<string> = new Set(['SETTLED', 'REJECTED', 'CANCELLED']);

/** A private call, from the first ring to the last word. */
export function CallPage({ callId }: { callId: string }) {
  const { me } = useSession();
  const { data: call, error, reload } = useCall(callId);
  if (me === null || me === undefined) return null;
  if (call === undefined) {
    return (
      <main className="call call-message">
        {error === null ? (
          <p role="status">Opening the call&hellip;</p>
        ) : (
          <>
            <ErrorNote error={error} retry={reload} />
            <Link href="/models" className="button button-quiet">
              Back to the models
            </Link>
          </>
        )}
      </main>
    );
  }
  return <CallOf call={call} me={me} />;
}

function CallOf({ call, me }: { call: Call; me: Me }) {
  const controller = useCallController(call, me);
  return controller === null ? null : <CallWith call={call} me={me} controller={controller} />;
}

function CallWith({ call, me, controller }: { call: Call; me: Me; controller: CallController }) {
  const { connection, ending } = useCallSnapshot(controller);
  useTitle(`Call with ${call.fan.userId === me.userId ? call.creator.displayName : call.fan.displayName}`);
  const isFan = call.fan.userId === me.userId;
  const ringing = RINGING.has(call.state);
  const over = OVER.has(call.state) || call.state === 'ENDING';
  const entered = connection !== 'idle' || ending !== null;

  useEffect(() => {
    if (!over) controller.media.start();
  }, [controller, over]);

  useEffect(() => {
    if (ringing || over) return;
    // The camera may still be asking for leave: joining waits for it, and goes without if it must.
    controller.media.start().then(() => controller.join());
    rememberLastCall(call.callId);
  }, [controller, ringing, over, call.callId]);

  if (ringing) return <Ringing call={call} isFan={isFan} controller={controller} />;
  if (over && !entered) return <NotTaken call={call} isFan={isFan} />;
  return <CallStage call={call} isFan={isFan} controller={controller} />;
}

/** Why a call that never began did not begin. */
const REASON_TEXT: Readonly<Record<string, string>> = {
  DECLINED: 'is not free right now.',
  RING_TIMEOUT: 'did not answer.',
};

function NotTaken({ call, isFan }: { call: Call; isFan: boolean }) {
  const other = isFan ? call.creator.displayName : call.fan.displayName;
  const reason = REASON_TEXT[call.endedReason ?? ''];
  return (
    <main className="call call-message">
      <h1>{isFan && reason !== undefined ? `${other} ${reason}` : 'This call has ended.'}</h1>
      <p className="muted">
        {call.endedReason === 'PAYMENT_REQUIRED'
          ? 'The wallet did not cover the minimum of the call.'
          : isFan && call.state !== 'SETTLED'
            ? 'You have not been charged.'
            : ''}
      </p>
      <Link href="/models" className="button button-primary">
        Back to the models
      </Link>
    </main>
  );
}
