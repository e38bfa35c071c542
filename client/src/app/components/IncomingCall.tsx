import { useLocation } from 'wouter';
import { ApiError } from '@/api/problem';
import { formatMoney } from '@/money/money';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useAction } from '../state/useLoad';
import { useNow } from '../state/useNow';
import { useRingtone } from '../state/useRingtone';
import { useTitle } from '../state/useTitle';
import { useAnnounce } from './Announcer';
import { describeError } from './ErrorNote';

import { Icon } from './Icon';
import { Portrait } from './Portrait';
import { Sheet } from './Sheet';

/** The sheet that rises over any page when a fan calls. */
export function IncomingCall() {
  const { api } = useSession();
  const { incoming, settleIncoming, online } = useLive();
  const [location, navigate] = useLocation();
  const announce = useAnnounce();
  const now = useNow(250, incoming.length > 0);
  const accept = useAction(async (callId: string) => {
    try {
      await api.acceptCall(callId);
      navigate(`/call/${callId}`);
    } catch (error) {
      // Told at the edge of the page: the sheet of this request is gone.
      announce(acceptFailure(error), 'bad');
    } finally {
      settleIncoming(callId);
    }
  });
  const decline = useAction(async (callId: string) => {
    settleIncoming(callId);
    await api.declineCall(callId);
  });

  // Somebody in a call is busy; who went offline is not rung.
  const ready = online && !location.startsWith('/call/');
  const request = incoming.find(({ expiresAt }) => ready && (expiresAt === null || expiresAt > now));
  useTitle(request === undefined ? null : `${request.fanName} is calling`);
  useRingtone(request !== undefined);

  if (request === undefined) return null;
  const secondsLeft =
    request.expiresAt === null ? null : Math.max(0, Math.ceil((request.expiresAt - now) / 1000));
  const busy = accept.busy || decline.busy;
  return (
    <Sheet title="Incoming call" onClose={() => decline.run(request.callId)}>
      <div className="incoming">
        <div className="incoming-portrait">
          <Portrait id={request.fanId} name={request.fanName} size="small" />
        </div>
        <p className="incoming-name">{request.fanName}</p>
        <p className="muted">
          {request.pricePerMinuteMinor !== null && request.currency !== null && (
            <>{formatMoney(request.pricePerMinuteMinor, request.currency)} a minute &middot; </>
          )}
          {secondsLeft !== null && <span>rings for {secondsLeft} s</span>}
        </p>
        <div className="incoming-actions">
          <button
            type="button"
            className="button button-danger"
            disabled={busy}
            onClick={() => decline.run(request.callId)}
          >
            <Icon name="hangUp" />
            Decline
          </button>
          <button
            type="button"
            className="button button-go"
            disabled={busy}
            onClick={() => accept.run(request.callId)}
          >
            <Icon name="phone" />
            Accept
          </button>
        </div>
      </div>
    </Sheet>
  );
}

function acceptFailure(error: unknown): string {
  const broke = error instanceof ApiError && error.code === 'payment_required';
  return broke ? 'The fan cannot pay for this call any more.' : describeError(error);
}
