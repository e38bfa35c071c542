import { useCallback, useMemo, useState } from 'react';
import { earningsChart } from '@/money/earningsChart';
import { CsvDownload } from '../components/CsvDownload';
import { ErrorNote } from '../components/ErrorNote';
import { useWatched } from '../payments/useWatched';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useLoad } from '../state/useLoad';
import { useTitle } from '../state/useTitle';
import { EarningsChart } from '../studio/EarningsChart';
import { EarningsSums } from '../studio/EarningsSums';
import { Payouts } from '../studio/Payouts';
import { StudioHead } from '../studio/StudioHead';

const RANGES_DAYS = [7, 30, 90] as const;

/** What came in, from what and when, and how it gets to the bank. */
export function EarningsPage() {
  useTitle('Earnings');
  const { api } = useSession();
  const { epoch } = useLive();
  const earnings = useLoad(
    useCallback(() => {
      // Asked for again after a lost connection.
      void epoch;
      return api.earnings();
    }, [api, epoch]),
  );
  const payouts = useLoad(useCallback(() => api.payouts(), [api]));
  const underway = payouts.data?.find(({ status }) => status === 'pending')?.payoutId ?? null;
  useWatched(
    underway,
    () => api.payouts(),
    (seen) => !seen.some(({ payoutId, status }) => payoutId === underway && status === 'pending'),
    () => {
      earnings.reload();
      payouts.reload();
    },
  );
  return (
    <>
      <StudioHead />
      <div className="studio">
        <section className="panel" aria-labelledby="earnings">
          <h2 id="earnings">Earnings</h2>
          {earnings.error !== null && <ErrorNote error={earnings.error} retry={earnings.reload} />}
          {earnings.data !== undefined && <EarningsSums earnings={earnings.data} />}
        </section>
        {earnings.data !== undefined && (
          <Payouts
            payouts={payouts}
            earnings={earnings.data}
            onRequested={() => {
              earnings.reload();
              payouts.reload();
            }}
          />
        )}
        <ByDay />
      </div>
    </>
  );
}

function ByDay() {
  const { api } = useSession();
  const [range, setRange] = useState<number>(30);
  const { data, error, reload } = useLoad(useCallback(() => api.dailyEarnings(range), [api, range]));
  const chart = useMemo(
    () =>
      data === undefined
        ? undefined
        : earningsChart(data.items, new Date().toISOString().slice(0, 10), range),
    [data, range],
  );
  return (
    <section className="panel by-day" aria-labelledby="by-day">
      <header className="panel-head">
        <h2 id="by-day">By day</h2>
        <div className="panel-acts">
          <fieldset className="ranges">
            <legend className="visually-hidden">Days shown</legend>
            {RANGES_DAYS.map((days) => (
              <label key={days}>
                <input
                  type="radio"
                  aria-label={`${days} days`}
                  name="range"
                  checked={days === range}
                  onChange={() => setRange(days)}
                />
                <span aria-hidden="true">{days} d</span>
              </label>
            ))}
          </fieldset>
          <CsvDownload title="Download earnings" name="earnings" load={(days) => api.earningsCsv(days)} />
        </div>
      </header>
      {error !== null && <ErrorNote error={error} retry={reload} />}
      {chart === undefined && error === null && <div className="skeleton chart-skeleton" />}
      {chart !== undefined && data !== undefined && <EarningsChart chart={chart} currency={data.currency} />}
    </section>
  );
}
