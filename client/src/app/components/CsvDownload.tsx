import { type FormEvent, useState } from 'react';
import type { Days } from '@/api/Api';
import { saveFile } from '../state/saveFile';
import { useAction } from '../state/useLoad';
import { ErrorNote } from './ErrorNote';
import { Icon } from './Icon';
import { Sheet } from './Sheet';

/** What is offered at first: so many days up to today. */
const DAYS_OFFERED = 90;
const DAY_MS = 86_400_000;

/** A button and the sheet behind it: which days, and the file. `name` begins the file's name. */
export function CsvDownload({
  title,
  name,
  load,
}: {
  title: string;
  name: string;
  load: (days: Days) => Promise<Blob>;
}) {
  const [open, setOpen] = useState(false);
  const save = useAction(async (days: Days) => {
    saveFile(await load(days), `${name}-${days.from}-${days.to}.csv`);
    setOpen(false);
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    save.run({ from: String(form.get('from')), to: String(form.get('to')) });
  };
  const today = isoDay(Date.now());
  return (
    <>
      <button type="button" className="button button-quiet button-small" onClick={() => setOpen(true)}>
        <Icon name="download" />
        CSV
        <span className="visually-hidden">, {title}</span>
      </button>
      {open && (
        <Sheet title={title} onClose={() => setOpen(false)}>
          <form className="form" onSubmit={submit}>
            <p className="muted">A table for your books, one line for each movement. Days are in UTC.</p>
            <div className="field-pair">
              <label className="field">
                <span>From</span>
                <input
                  type="date"
                  name="from"
                  max={today}
                  defaultValue={isoDay(Date.now() - DAYS_OFFERED * DAY_MS)}
                  required
                />
              </label>
              <label className="field">
                <span>To</span>
                <input type="date" name="to" max={today} defaultValue={today} required />
              </label>
            </div>
            {save.error !== null && <ErrorNote error={save.error} />}
            <button type="submit" className="button button-primary button-wide" disabled={save.busy}>
              <Icon name="download" />
              {save.busy ? 'Preparing…' : 'Download'}
            </button>
          </form>
        </Sheet>
      )}
    </>
  );
}

function isoDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
