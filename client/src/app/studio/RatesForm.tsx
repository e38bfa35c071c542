import { type FormEvent, type ReactNode, useId, useState } from 'react';
import type { Rates } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { useAnnounce } from '../components/Announcer';
import { ErrorNote } from '../components/ErrorNote';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useAction } from '../state/useLoad';
import { draftOf, type Invalid, type RatesDraft, type RatesField, readDraft } from './ratesDraft';

const INCREMENTS_S = [1, 10, 30, 60] as const;

/** Everything that a creator asks money for. An empty price means: not on offer. */
export function RatesForm({ rates, onSaved }: { rates: Rates | null; onSaved: () => void }) {
  const { api } = useSession();
  const { wallet } = useLive();
  const announce = useAnnounce();
  const currency = rates?.currency ?? wallet?.currency ?? 'EUR';
  const [draft, setDraft] = useState<RatesDraft>(() => draftOf(rates, currency));
  const [invalid, setInvalid] = useState<Invalid>({});
  const save = useAction(async (changed: Rates) => {
    await api.setRates(changed);
    announce(`Saved. A minute with you costs ${formatMoney(changed.pricePerMinuteMinor, currency)}.`, 'good');
    onSaved();
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const read = readDraft(draft, currency);
    setInvalid(read.invalid ?? {});
    if (read.rates !== null) save.run(read.rates);
    else event.currentTarget.querySelector<HTMLElement>(`[name=${Object.keys(read.invalid)[0]}]`)?.focus();
  };
  const field = (name: RatesField) => ({
    name,
    value: draft[name],
    invalid: invalid[name],
    change: (value: string) => setDraft((before) => ({ ...before, [name]: value })),
  });
  return (
    <form className="form rates" onSubmit={submit} noValidate>
      <fieldset className="rates-group">
        <legend>Private calls</legend>
        <Text {...field('price')} label={`Price of a minute, in ${currency}`} inputMode="decimal" />
        <Text {...field('minimum')} label="Shortest charge, in seconds" inputMode="numeric">
          Charged even if the fan hangs up sooner. Never when you end the call.
        </Text>
        <Choice {...field('increment')} label="Charged in steps of">
          {[...new Set([...INCREMENTS_S, Number(draft.increment)])]
            .sort((a, b) => a - b)
            .map((seconds) => (
              <option key={seconds} value={seconds}>
                {seconds === 1 ? '1 second' : `${seconds} seconds`}
              </option>
            ))}
        </Choice>
        <Text {...field('unlock')} label={`Skipping the queue, in ${currency}`} inputMode="decimal">
          The call begins at once, without ringing. Empty: not on offer.
        </Text>
      </fieldset>
      <fieldset className="rates-group">
        <legend>Subscription</legend>
        <Text {...field('subscription')} label={`Price of a month, in ${currency}`} inputMode="decimal">
          Empty: not on offer.
        </Text>
        <Choice {...field('calls')} label="Calls it includes" disabled={draft.subscription.trim() === ''}>
          <option value="none">None, they are paid by the minute</option>
          <option value="minutes">Some minutes every month</option>
          <option value="all">All of them</option>
        </Choice>
        {draft.calls === 'minutes' && draft.subscription.trim() !== '' && (
          <Text {...field('minutes')} label="Minutes a month" inputMode="numeric">
            After that, calls are paid by the minute.
          </Text>
        )}
      </fieldset>
      <fieldset className="rates-group">
        <legend>Battles and broadcasts</legend>
        <Text {...field('hd')} label={`HD pass, in ${currency}`} inputMode="decimal">
          For those who want to watch in 720p. Empty: HD for nobody but participants.
        </Text>
      </fieldset>
      {save.error !== null && <ErrorNote error={save.error} />}
      <button type="submit" className="button button-primary" disabled={save.busy}>
        {save.busy ? 'Saving…' : 'Save rate'}
      </button>
    </form>
  );
}

interface FieldProps {
  name: string;
  label: string;
  value: string;
  invalid: string | undefined;
  change: (value: string) => void;
  children?: ReactNode;
}

function Text({
  name,
  label,
  value,
  invalid,
  change,
  inputMode,
  children,
}: FieldProps & { inputMode: 'decimal' | 'numeric' }) {
  const noteId = useId();
  const described = invalid !== undefined || children !== undefined;
  return (
    <label className="field">
      <span>{label}</span>
      <input
        name={name}
        inputMode={inputMode}
        autoComplete="off"
        value={value}
        aria-invalid={invalid !== undefined}
        aria-describedby={described ? noteId : undefined}
        onChange={(event) => change(event.target.value)}
      />
      {invalid !== undefined ? (
        <small id={noteId} className="field-error" role="alert">
          {invalid}
        </small>
      ) : (
        children !== undefined && <small id={noteId}>{children}</small>
      )}
    </label>
  );
}

function Choice({ name, label, value, change, disabled, children }: FieldProps & { disabled?: boolean }) {
  return (
    <label className="field">
      <span>{label}</span>
      <select name={name} value={value} disabled={disabled} onChange={(event) => change(event.target.value)}>
        {children}
      </select>
    </label>
  );
}
