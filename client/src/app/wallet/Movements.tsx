import { useCallback, useEffect, useId, useState } from 'react';
import type { Transaction } from '@/api/schemas';
import { formatMoney, formatSigned } from '@/money/money';
import { kindInWords } from '@/money/words';
import { CsvDownload } from '../components/CsvDownload';
import { ErrorNote } from '../components/ErrorNote';
import { Icon, type IconName } from '../components/Icon';
import { useSession } from '../state/session';
import { useAction, useLoad } from '../state/useLoad';
import { CallReceipt } from './CallReceipt';

/** All movements, newest first, a page at a time. `newest` changes whenever there may be a new one. */
export function Movements({ newest }: { newest: number | undefined }) {
  const { api } = useSession();
  const first = useLoad(useCallback(() => api.transactions(null), [api]));
  const [older, setOlder] = useState<Awaited<ReturnType<typeof api.transactions>>[]>([]);
  const pages = first.data === undefined ? [] : [first.data, ...older];
  const next = pages.at(-1)?.nextCursor ?? null;
  const more = useAction(async (cursor: string) => {
    const page = await api.transactions(cursor);
    setOlder((shown) => [...shown, page]);
  });
  const { reload } = first;
  useEffect(() => {
    if (newest === undefined) return;
    setOlder([]);
    reload();
  }, [newest, reload]);

  const items = pages.flatMap((page) => page.items);
  return (
    <section className="panel movements" aria-labelledby="movements">
      <header className="panel-head">
        <h2 id="movements">Movements</h2>
        {items.length > 0 && (
          <CsvDownload title="Download movements" name="wallet" load={(days) => api.transactionsCsv(days)} />
        )}
      </header>
      {first.error !== null && <ErrorNote error={first.error} retry={first.reload} />}
      {first.data === undefined && first.error === null && <div className="skeleton movement-skeleton" />}
      {first.data !== undefined && items.length === 0 && (
        <p className="muted">Nothing yet. What you add and what your calls cost will be listed here.</p>
      )}
      <ul>
        {items.map((item) => (
          <Movement key={item.id} item={item} />
        ))}
      </ul>
      {more.error !== null && <ErrorNote error={more.error} />}
      {next !== null && (
        <button
          type="button"
          className="button button-quiet"
          disabled={more.busy}
          onClick={() => more.run(next)}
        >
          Show older
        </button>
      )}
    </section>
  );
}

const ICONS: Readonly<Record<string, IconName>> = {
  top_up: 'plus',
  call: 'camera',
  subscription: 'repeat',
  instant_unlock: 'bolt',
  premium_hd: 'star',
  battle_entry: 'ticket',
  battle_pot: 'trophy',
  tip: 'gift',
  payout: 'payout',
};

/** The server's words where they name somebody; of a card it is said that it was one. */
function titleOf({ kind, label }: Transaction): string {
  return label === null || kind === 'top_up' ? kindInWords(kind) : label;
}

function Movement({ item }: { item: Transaction }) {
  const receiptId = useId();
  const [open, setOpen] = useState(false);
  const incoming = item.amountMinor > 0;
  const title = titleOf(item);
  const callId = item.kind === 'call' ? item.ref : null;
  const when = new Date(item.createdAt);
  const face = (
    <>
      <span className="movement-sign" data-incoming={incoming || undefined}>
        <Icon name={ICONS[item.kind] ?? (incoming ? 'plus' : 'card')} />
      </span>
      <span className="movement-what">
        <strong>{title}</strong>
        <time dateTime={when.toISOString()}>
          {when.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}
        </time>
      </span>
      <span className="movement-amount" data-incoming={incoming || undefined}>
        {formatSigned(item.amountMinor, item.currency)}
      </span>
    </>
  );
  if (callId === null) return <li className="movement movement-face">{face}</li>;
  return (
    <li className="movement">
      <button
        type="button"
        className="movement-face"
        aria-expanded={open}
        aria-controls={receiptId}
        aria-label={`${title}, ${formatMoney(item.amountMinor, item.currency)}, receipt`}
        onClick={() => setOpen(!open)}
      >
        {face}
        <Icon name="chevron" />
      </button>
      <div id={receiptId}>{open && <CallReceipt callId={callId} />}</div>
    </li>
  );
}
