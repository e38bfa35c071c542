import { type FormEvent, useState } from 'react';
import { ApiError } from '@/api/problem';
import type { Battle } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Portrait } from '../components/Portrait';
import { Sheet } from '../components/Sheet';
import { Amounts, amountFor } from '../payments/Amounts';
import { QuickTopUp } from '../payments/QuickTopUp';

import { useLive } from '../state/live';
import { useAction } from '../state/useLoad';
import type { BattleController } from './BattleController';
import type { Player } from './standings';

/** Offered at once, in minor units. */
const TIPS_MINOR = [100, 200, 500, 1000, 2000, 5000] as const;
/** The longest message that fits over a picture. */
const MAX_MESSAGE_CHARS = 200;

/** To whom, how much, with which words. */
export function TipSheet(props: {
  battle: Battle;
  players: readonly Player[];
  to: Player;
  controller: BattleController;
  close: () => void;
}) {
  const { battle, players, controller, close } = props;
  const { currency } = battle;
  const { wallet, reloadWallet } = useLive();
  const [to, setTo] = useState(props.to.userId);
  const [amountMinor, setAmountMinor] = useState<number | null>(TIPS_MINOR[2]);
  const receiver = players.find(({ userId }) => userId === to) ?? props.to;
  const missingMinor = (amountMinor ?? 0) - (wallet?.availableMinor ?? 0);
  const give = useAction(async (message: string) => {
    if (amountMinor === null) return;
    try {
      await controller.tip({ to, amountMinor, currency, message: message === '' ? null : message });
    } catch (error) {
      if (error instanceof ApiError && error.code === 'payment_required') reloadWallet();
      throw error;
    }
    reloadWallet();
    close();
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    give.run(String(new FormData(event.currentTarget).get('message') ?? '').trim());
  };
  return (
    <Sheet title={`Tip ${receiver.name}`} onClose={close}>
      <form className="form" onSubmit={submit}>
        {players.length > 1 && (
          <fieldset className="tip-to">
            <legend className="visually-hidden">To whom</legend>
            {players.map((player) => (
              <label key={player.userId}>
                <input
                  type="radio"
                  name="to"
                  checked={player.userId === to}
                  onChange={() => setTo(player.userId)}
                />
                <span>
                  <i>
                    <Portrait id={player.userId} name={player.name} size="small" />
                  </i>
                  {player.name}
                </span>
              </label>
            ))}
          </fieldset>
        )}
        <Amounts offered={TIPS_MINOR} amountMinor={amountMinor} currency={currency} choose={setAmountMinor} />
        <label className="field">
          <span>Message</span>
          <input
            name="message"
            maxLength={MAX_MESSAGE_CHARS}
            autoComplete="off"
            placeholder="Optional, everybody sees it"
          />
        </label>
        {give.error !== null && <ErrorNote error={give.error} />}
        {missingMinor > 0 && wallet !== null ? (
          <div className="battle-short">
            <p>
              You have {formatMoney(wallet.availableMinor, wallet.currency)};{' '}
              {formatMoney(missingMinor, currency)} more are needed.
            </p>
            <QuickTopUp amountMinor={amountFor(missingMinor)} onDone={reloadWallet} />
          </div>
        ) : (
          <button
            type="submit"
            className="button button-gold button-wide"
            disabled={amountMinor === null || give.busy}
          >
            <Icon name="gift" />
            {give.busy
              ? 'Giving…'
              : amountMinor === null
                ? 'Tip'
                : `Tip ${formatMoney(amountMinor, currency)}`}
          </button>
        )}
      </form>
    </Sheet>
  );
}
