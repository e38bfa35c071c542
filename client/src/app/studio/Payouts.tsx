import { type FormEvent, useState } from 'react';
import type { Earnings, Payout } from '@/api/schemas';
import { formatMoney, parseMoney } from '@/money/money';
import { useAnnounce } from '../components/Announcer';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Sheet } from '../components/Sheet';
import { useSession } from '../state/session';
import { type Loaded, useAction } from '../state/useLoad';

const STATUS: Readonly<Record<string, { words: string; tone: 'good' | 'warn' | 'over' }>> = {
  pending: { words: 'On its way', tone: 'over' },
  paid: { words: 'Paid', tone: 'good' },
  failed: { words: 'Came back, the money is with you again', tone: 'warn' },
};

/** What was paid out, and the way to more. */
export function Payouts(props: { payouts: Loaded<Payout[]>; earnings: Earnings; onRequested: () => void }) {
  const { payouts, earnings, onRequested } = props;
  const [open, setOpen] = useState(false);
  return (
    <section className="panel" aria-labelledby="payouts">
      <header className="panel-head">
        <h2 id="payouts">Payouts</h2>
        <button
          type="button"
          className="button button-gold button-small"
          disabled={earnings.payableMinor + earnings.pendingMinor <= 0}
          onClick={() => setOpen(true)}
        >
          <Icon name="payout" />
          Pay out
        </button>
      </header>
      {payouts.error !== null && <ErrorNote error={payouts.error} retry={payouts.reload} />}
      {payouts.data?.length === 0 && (
        <p className="muted">
          None yet. Earnings become payable after a waiting time, in which card payments can still be
          disputed.
        </p>
      )}
      <ul>
        {payouts.data?.map((payout) => (
          <PayoutLine key={payout.payoutId} payout={payout} />
        ))}
      </ul>
      {open && <PayoutSheet earnings={earnings} close={() => setOpen(false)} onRequested={onRequested} />}
    </section>
  );
}

function PayoutLine({ payout }: { payout: Payout }) {
  const { words, tone } = STATUS[payout.status] ?? { words: payout.status, tone: 'over' };
  const when = new Date(payout.createdAt);
  return (
    <li className="movement movement-face">
      <span className="movement-sign">
        <Icon name="payout" />
      </span>
      <span className="movement-what">
        <strong className="standing" data-tone={tone}>
          {words}
        </strong>
        <time dateTime={when.toISOString()}>
          {when.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}
        </time>
      </span>
      <span className="movement-amount">{formatMoney(payout.amountMinor, payout.currency)}</span>
    </li>
  );
}

/** Empty: all there is. What has waited long enough is payable at the request, even if it is not shown so yet. */
function PayoutSheet(props: { earnings: Earnings; close: () => void; onRequested: () => void }) {
  const { earnings, close, onRequested } = props;
  const { payableMinor, pendingMinor, currency } = earnings;
  const { api } = useSession();
  const announce = useAnnounce();
  const [typed, setTyped] = useState('');
  const amountMinor = typed.trim() === '' ? null : (parseMoney(typed, currency) ?? 0);
  const valid = amountMinor === null || (amountMinor > 0 && amountMinor <= payableMinor + pendingMinor);
  const request = useAction(async () => {
    const payout = await api.requestPayout(amountMinor);
    announce(`${formatMoney(payout.amountMinor, payout.currency)} is on its way to you.`, 'good');
    onRequested();
    close();
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (valid) request.run();
  };
  return (
    <Sheet title="Pay out" onClose={close}>
      <form className="form" onSubmit={submit}>
        <label className="field">
          <span>Amount, in {currency}</span>
          <input
            inputMode="decimal"
            autoComplete="off"
            placeholder="All of it"
            value={typed}
            aria-invalid={!valid}
            aria-describedby="payout-bound"
            onChange={(event) => setTyped(event.target.value)}
          />
          <small id="payout-bound">
            {formatMoney(payableMinor, currency)} are ready, and whatever else has waited long enough by now.
          </small>
        </label>
        {request.error !== null && <ErrorNote error={request.error} />}
        <button type="submit" className="button button-gold button-wide" disabled={!valid || request.busy}>
          {request.busy
            ? 'Sending…'
            : amountMinor === null || !valid
              ? 'Pay out all of it'
              : `Pay out ${formatMoney(amountMinor, currency)}`}
        </button>
      </form>
    </Sheet>
  );
}
