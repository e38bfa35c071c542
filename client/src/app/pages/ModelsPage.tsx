import { useCallback, useMemo, useState } from 'react';
import { Link } from 'wouter';
import { ErrorNote } from '../components/ErrorNote';
import { LastCall } from '../components/LastCall';
import { ModelCard } from '../models/ModelCard';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';
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
