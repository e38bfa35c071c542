import { useCallback } from 'react';
import { Link } from 'wouter';
import { ErrorNote } from '../components/ErrorNote';
import { LastCall } from '../components/LastCall';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';
import { useTitle } from '../state/useTitle';
import { EarningsSums } from '../studio/EarningsSums';
import { OpenRoom } from '../studio/OpenRoom';
import { RatesForm } from '../studio/RatesForm';
import { StudioHead } from '../studio/StudioHead';

/** The creator's own page: be reachable, set prices, see what came of it. */
export function StudioPage() {
  useTitle('Studio');
  const { api, me } = useSession();
  const { online, setOnline, connected } = useLive();
  const model = useLoad(useCallback(() => api.model(me?.userId ?? ''), [api, me]));
  const hasRates = model.data !== undefined && model.data.rates !== null;
  const reachable = online && connected && hasRates;
  return (
    <>
      <LastCall />
      <StudioHead />
      <div className="studio">
        <section className="stage-door" data-online={reachable || undefined} aria-labelledby="reachable">
          <div>
            <h2 id="reachable">
              {reachable ? 'You are online' : online && !hasRates ? 'Almost there' : 'You are away'}
            </h2>
            <p className="muted">
              {reachable
                ? 'Fans can call you. Keep this page open: an incoming call rings here.'
                : online && !hasRates
                  ? 'Set your rate, and fans can call you.'
                  : 'Fans see you as away and cannot call.'}
            </p>
          </div>
          <button
            type="button"
            role="switch"
            aria-checked={online}
            aria-label="Go online"
            className="switch"
            onClick={() => setOnline(!online)}
          />
        </section>
        <EarningsPanel />
        <OpenRoom />
        <section className="panel rates-panel" aria-labelledby="rate">
          <h2 id="rate">Your prices</h2>
          {model.error !== null && <ErrorNote error={model.error} retry={model.reload} />}
          {model.data !== undefined && <RatesForm rates={model.data.rates} onSaved={model.reload} />}
        </section>
      </div>
    </>
  );
}

function EarningsPanel() {
  const { api } = useSession();
  const { epoch } = useLive();
  const { data, error, reload } = useLoad(
    useCallback(() => {
      // Asked for again after a lost connection.
      void epoch;
      return api.earnings();
    }, [api, epoch]),
  );
  return (
    <section className="panel" aria-labelledby="earnings">
      <h2 id="earnings">Earnings</h2>
      {error !== null && <ErrorNote error={error} retry={reload} />}
      {data !== undefined && <EarningsSums earnings={data} />}
      <Link href="/studio/earnings" className="button button-quiet">
        See the days, and be paid out
      </Link>
    </section>
  );
}
