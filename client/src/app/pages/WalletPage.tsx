import { useCallback, useEffect, useState } from 'react';
import type { Transaction } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { TopUp } from '../components/TopUp';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useAction, useLoad } from '../state/useLoad';
import { useTitle } from '../state/useTitle';

/** What there is, what is held for a call, how to add, and every movement. */
export function WalletPage() {
  useTitle('Wallet');
  const { wallet } = useLive();
  return (
    <>
      <header className="page-head">
        <h1>Wallet</h1>
      </header>
      <div className="wallet">
        <section className="balance-card" aria-label="Balance">
          {wallet === null ? (
            <div className="skeleton balance-skeleton" />
          ) : (
            <>
              <p className="balance-label">Available</p>
              <p className="balance-figure">{formatMoney(wallet.availableMinor, wallet.currency)}</p>
              <dl className="balance-parts">
                <div>
                  <dt>Balance</dt>
                  <dd>{formatMoney(wallet.balanceMinor, wallet.currency)}</dd>
                </div>
                <div>
                  <dt>Held for a call</dt>
                  <dd>{formatMoney(wallet.heldMinor, wallet.currency)}</dd>
                </div>
              </dl>
            </>
          )}
        </section>
        <section className="panel" aria-labelledby="add-money">
          <h2 id="add-money">Add money</h2>
          <TopUp />
        </section>
        <Movements newest={wallet?.balanceMinor} />
      </div>
    </>
  );
}

const TITLE_BY_KIND: Readonly<Record<string, string>> = {
  top_up: 'Added by card',
  call: 'Private call',
};

/** All movements, newest first, a page at a time. `newest` changes whenever there may be a new one. */
function Movements({ newest }: { newest: number | undefined }) {
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
      <h2 id="movements">Movements</h2>
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

function Movement({ item }: { item: Transaction }) {
  const incoming = item.amountMinor > 0;
  const title = TITLE_BY_KIND[item.kind] ?? item.kind.replaceAll('_', ' ');
  return (
    <li className="movement">
      <span className="movement-sign" data-incoming={incoming || undefined}>
        <Icon name={incoming ? 'plus' : 'camera'} />
      </span>
      <span className="movement-what">
        <strong>{title}</strong>
        <time dateTime={new Date(item.createdAt).toISOString()}>
          {new Date(item.createdAt).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}
        </time>
      </span>
      <span className="movement-amount" data-incoming={incoming || undefined}>
        {incoming ? '+' : ''}
        {formatMoney(item.amountMinor, item.currency)}
      </span>
    </li>
  );
}
