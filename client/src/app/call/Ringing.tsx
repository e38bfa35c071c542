import { useCallback } from 'react';
import { useLocation } from 'wouter';
import type { Call } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { callPrice, minimumMinor } from '@/money/tariff';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Portrait } from '../components/Portrait';
import { useSession } from '../state/session';
import { useAction, useLoad } from '../state/useLoad';
import { useNow } from '../state/useNow';
import type { CallController } from './CallController';
import { CameraTrouble } from './CameraTrouble';
import { SelfView } from './SelfView';
import { SkipQueue } from './SkipQueue';
import { useCallSnapshot } from './useCall';

/** Before the call: the other side is rung, one sees oneself as one will be seen. */
export function Ringing({
  call,
  isFan,
  controller,
}: {
  call: Call;
  isFan: boolean;
  controller: CallController;
}) {
  const { api } = useSession();
  const [, navigate] = useLocation();
  const { localStream, cameraProblem } = useCallSnapshot(controller);
  const now = useNow(500);
  const model = useLoad(useCallback(() => api.model(call.creator.userId), [api, call.creator.userId]));
  const rates = model.data?.rates ?? null;
  const included = isFan && rates !== null && callPrice(rates, model.data?.subscribed ?? false).included;
  const leastMinor = isFan && !included ? minimumMinor(call) : null;
  const other = isFan ? call.creator : call.fan;
  const secondsLeft = call.expiresAt === null ? null : Math.max(0, Math.ceil((call.expiresAt - now) / 1000));
  const accept = useAction(async () => {
    await api.acceptCall(call.callId);
  });
  const giveUp = useAction(async () => {
    if (isFan) await api.endCall(call.callId);
    else await api.declineCall(call.callId);
    navigate(isFan ? '/models' : '/studio');
  });
  return (
    <main className="call ringing">
      <div className="ringing-back" aria-hidden="true">
        <Portrait id={other.userId} name={other.displayName} />
      </div>
      <div className="ringing-who">
        <div className="ringing-portrait">
          <Portrait id={other.userId} name={other.displayName} size="small" />
        </div>
        <h1>{other.displayName}</h1>
        <p role="status">{isFan ? 'Ringing…' : 'is calling you'}</p>
        <p className="muted">
          {included
            ? 'Included in your subscription'
            : `${formatMoney(call.pricePerMinuteMinor, call.currency)} a minute`}
          {isFan && !included && ', only while you see each other'}
          {secondsLeft !== null && ` · ${secondsLeft} s`}
        </p>
        {leastMinor !== null && (
          <p className="muted">
            At least {formatMoney(leastMinor, call.currency)}, unless {other.displayName} ends it first
          </p>
        )}
      </div>
      {cameraProblem !== null && <CameraTrouble problem={cameraProblem} media={controller.media} />}
      {(accept.error ?? giveUp.error) !== null && <ErrorNote error={accept.error ?? giveUp.error} />}
      <SelfView stream={localStream} mirrored waiting={cameraProblem === null} />
      {isFan && rates !== null && <SkipQueue call={call} rates={rates} />}
      <div className="ringing-actions">
        <button
          type="button"
          className="button button-danger"
          disabled={giveUp.busy}
          onClick={() => giveUp.run()}
        >
          <Icon name="hangUp" />
          {isFan ? 'Cancel' : 'Decline'}
        </button>
        {!isFan && (
          <button
            type="button"
            className="button button-go"
            disabled={accept.busy}
            onClick={() => accept.run()}
          >
            <Icon name="phone" />
            Accept
          </button>
        )}
      </div>
    </main>
  );
}
