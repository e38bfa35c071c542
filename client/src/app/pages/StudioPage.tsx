import { type FormEvent, useCallback, useState } from 'react';
import type { Rates } from '@/api/schemas';
import { editableMoney, formatMoney, parseMoney } from '@/money/money';
import { useAnnounce } from '../components/Announcer';
import { ErrorNote } from '../components/ErrorNote';
import { LastCall } from '../components/LastCall';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useAction, useLoad } from '../state/useLoad';
import { useTitle } from '../state/useTitle';

/** The creator's own page: be reachable, set a price, see what came of it. */
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
      <header className="page-head">
        <h1>Studio</h1>
      </header>
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
        <section className="panel" aria-labelledby="rate">
          <h2 id="rate">Your rate</h2>
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
    <section className="panel earnings" aria-labelledby="earnings">
      <h2 id="earnings">Earnings</h2>
      {error !== null && <ErrorNote error={error} retry={reload} />}
      {data !== undefined && (
        <dl>
          <div>
            <dt>Earned, not yet payable</dt>
            <dd className="gold">{formatMoney(data.pendingMinor, data.currency)}</dd>
          </div>
          <div>
            <dt>Ready to be paid out</dt>
            <dd>{formatMoney(data.payableMinor, data.currency)}</dd>
          </div>
        </dl>
      )}
    </section>
  );
}

const DEFAULT_RATES: Rates = {
  pricePerMinuteMinor: 300,
  currency: 'EUR',
  minimumMs: 60_000,
  incrementMs: 1_000,
};

function RatesForm({ rates, onSaved }: { rates: Rates | null; onSaved: () => void }) {
  const { api } = useSession();
  const { wallet } = useLive();
  const announce = useAnnounce();
  const [invalid, setInvalid] = useState<string | null>(null);
  const current = rates ?? { ...DEFAULT_RATES, currency: wallet?.currency ?? DEFAULT_RATES.currency };
  const save = useAction(async (changed: Rates) => {
    await api.setRates(changed);
    announce(`Your rate is ${formatMoney(changed.pricePerMinuteMinor, changed.currency)} a minute.`, 'good');
    onSaved();
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const price = parseMoney(String(form.get('price')), current.currency);
    if (price === null || price === 0) {
      setInvalid('Enter a price such as 3.50');
      return;
    }
    setInvalid(null);
    save.run({
      pricePerMinuteMinor: price,
      currency: current.currency,
      minimumMs: Number(form.get('minimum')) * 1000,
      incrementMs: Number(form.get('increment')) * 1000,
    });
  };
  return (
    <form className="form rates" onSubmit={submit}>
      <label className="field">
        <span>Price of a minute, in {current.currency}</span>
        <input
          name="price"
          inputMode="decimal"
          defaultValue={editableMoney(current.pricePerMinuteMinor, current.currency)}
          aria-invalid={invalid !== null}
          aria-describedby={invalid === null ? undefined : 'price-invalid'}
          required
        />
        {invalid !== null && (
          <small id="price-invalid" className="field-error" role="alert">
            {invalid}
          </small>
        )}
      </label>
      <label className="field">
        <span>Shortest charge, in seconds</span>
        <input
          name="minimum"
          type="number"
          min={0}
          max={3600}
          step={1}
          defaultValue={current.minimumMs / 1000}
          required
        />
        <small>Charged even if the fan hangs up sooner. Never when you end the call.</small>
      </label>
      <label className="field">
        <span>Charged in steps of</span>
        <select name="increment" defaultValue={String(current.incrementMs / 1000)}>
          {[...new Set([1, 10, 30, 60, current.incrementMs / 1000])]
            .sort((a, b) => a - b)
            .map((seconds) => (
              <option key={seconds} value={seconds}>
                {seconds === 1 ? '1 second' : `${seconds} seconds`}
              </option>
            ))}
        </select>
      </label>
      {save.error !== null && <ErrorNote error={save.error} />}
      <button type="submit" className="button button-primary" disabled={save.busy}>
        {save.busy ? 'Saving…' : 'Save rate'}
      </button>
    </form>
  );
}
