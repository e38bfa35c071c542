import { useCallback, useMemo, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { ApiError } from '@/api/problem';
import type { Model } from '@/api/schemas';
import { formatDuration } from '@/money/meter';
import { formatMoney } from '@/money/money';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { LastCall } from '../components/LastCall';
import { Portrait } from '../components/Portrait';
import { Sheet } from '../components/Sheet';
import { TopUp } from '../components/TopUp';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useAction, useLoad } from '../state/useLoad';
import { useTitle } from '../state/useTitle';

/** Who can be called, and for how much. */
export function ModelsPage() {
  useTitle('Models');
  const { api, me } = useSession();
  const { presence, epoch } = useLive();
  const [onlyOnline, setOnlyOnline] = useState(false);
  const { data, error, reload } = useLoad(
    useCallback(() => {
      // A new connection may have missed who came and went.
      void epoch;
      return api.models();
    }, [api, epoch]),
  );
  const models = useMemo(
    () =>
      data
        ?.map((model) => ({ ...model, online: presence.get(model.modelId) ?? model.online }))
        .sort((a, b) => Number(b.online) - Number(a.online) || a.displayName.localeCompare(b.displayName)),
    [data, presence],
  );
  const shown = models?.filter((model) => model.online || !onlyOnline);
  const onlineCount = models?.filter((model) => model.online).length ?? 0;

  return (
    <>
      <LastCall />
      <header className="page-head">
        <div>
          <h1>Models</h1>
          <p className="muted" aria-live="polite">
            {models === undefined ? 'Looking who is here…' : `${onlineCount} of ${models.length} online now`}
          </p>
        </div>
        <button
          type="button"
          className="chip"
          aria-pressed={onlyOnline}
          onClick={() => setOnlyOnline(!onlyOnline)}
        >
          <span className="dot" data-online />
          Online now
        </button>
      </header>
      {error !== null && <ErrorNote error={error} retry={reload} />}
      {shown === undefined && error === null && <SkeletonCards />}
      {shown?.length === 0 && <NobodyHere filtered={onlyOnline} />}
      <ul className="cards">
        {shown?.map((model) => (
          <li key={model.modelId}>
            <ModelCard model={model} isMe={model.modelId === me?.userId} />
          </li>
        ))}
      </ul>
    </>
  );
}

function ModelCard({ model, isMe }: { model: Model; isMe: boolean }) {
  const { api } = useSession();
  const { reloadWallet } = useLive();
  const [, navigate] = useLocation();
  const [needsMoney, setNeedsMoney] = useState(false);
  const call = useAction(async () => {
    try {
      const { callId } = await api.requestCall(model.modelId);
      navigate(`/call/${callId}`);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'payment_required') throw error;
      setNeedsMoney(true);
    }
  });
  const { rates, online, displayName } = model;
  return (
    <article className="card" data-online={online || undefined}>
      <Portrait id={model.modelId} name={displayName} />
      <p className="card-presence">
        <span className="dot" data-online={online || undefined} />
        {online ? 'Online' : 'Away'}
      </p>
      <div className="card-foot">
        <h2>{displayName}</h2>
        {rates === null ? (
          <p className="muted">No rate yet</p>
        ) : (
          <p className="card-rate">
            <strong>{formatMoney(rates.pricePerMinuteMinor, rates.currency)}</strong>
            <span> / min</span>
            <small> from {formatDuration(rates.minimumMs)}</small>
          </p>
        )}
        <button
          type="button"
          className="button button-primary button-wide"
          disabled={!online || rates === null || isMe || call.busy}
          onClick={() => call.run()}
          aria-label={`Call ${displayName}`}
        >
          <Icon name="camera" />
          {isMe ? 'This is you' : call.busy ? 'Calling…' : 'Call'}
        </button>
        {call.error !== null && <ErrorNote error={call.error} />}
      </div>
      {needsMoney && rates !== null && (
        <Sheet title={`Add money to call ${displayName}`} onClose={() => setNeedsMoney(false)}>
          <p className="muted">
            A call costs at least{' '}
            {formatMoney(Math.ceil((rates.minimumMs * rates.pricePerMinuteMinor) / 60_000), rates.currency)} (
            {formatDuration(rates.minimumMs)} minutes). What you do not use stays in your wallet.
          </p>
          <TopUp
            onDone={() => {
              reloadWallet();
              setNeedsMoney(false);
            }}
          />
        </Sheet>
      )}
    </article>
  );
}

function NobodyHere({ filtered }: { filtered: boolean }) {
  return (
    <div className="empty">
      <h2>{filtered ? 'Nobody is online right now' : 'The stage is still empty'}</h2>
      <p className="muted">
        {filtered
          ? 'This page tells you the moment somebody comes online.'
          : 'As soon as a creator signs up, you will find them here.'}
      </p>
      {!filtered && (
        <Link href="/wallet" className="button button-quiet">
          Get your wallet ready
        </Link>
      )}
    </div>
  );
}

function SkeletonCards() {
  return (
    <ul className="cards" aria-hidden="true">
      {['a', 'b', 'c', 'd'].map((key) => (
        <li key={key}>
          <div className="card skeleton" />
        </li>
      ))}
    </ul>
  );
}
