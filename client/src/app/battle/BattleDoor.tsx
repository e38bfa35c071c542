import { Link } from 'wouter';
import { ApiError } from '@/api/problem';
import type { Battle, Me } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { ErrorNote } from '../components/ErrorNote';
import { Icon } from '../components/Icon';
import { Portrait } from '../components/Portrait';
import { amountFor } from '../payments/Amounts';
import { QuickTopUp } from '../payments/QuickTopUp';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useAction } from '../state/useLoad';
import { isPlayer, mayEnter, namesIn, standings } from './standings';

/** Before the battle: what it is, what it costs, and the way in. Entering takes a tap, which also lets sound play. */
export function BattleDoor(props: {
  battle: Battle;
  me: Me;
  reload: () => void;
  enter: (battle: Battle) => void;
}) {
  const { battle, me, reload, enter } = props;
  const players = standings(battle, battle.scores, namesIn(battle));
  const plays = isPlayer(battle, me.userId);
  return (
    <main className="call battle-door">
      <div className="battle-door-card">
        <Link href="/battles" className="battle-back">
          <Icon name="back" />
          All battles
        </Link>
        <div className="battle-faces" aria-hidden="true">
          {players.slice(0, 4).map((player) => (
            <span key={player.userId}>
              <Portrait id={player.userId} name={player.name} size="small" />
            </span>
          ))}
        </div>
        <h1>{battle.title ?? `Battle of ${battle.hostName ?? 'a host'}`}</h1>
        <p className="muted">{players.map(({ name }) => name).join(' against ')}</p>
        <dl className="battle-facts">
          <div>
            <dt>In the pot</dt>
            <dd className="gold">{formatMoney(battle.potMinor, battle.currency)}</dd>
          </div>
          <div>
            <dt>Ticket</dt>
            <dd>
              {battle.entryFeeMinor === 0 ? 'Free' : formatMoney(battle.entryFeeMinor, battle.currency)}
            </dd>
          </div>
          <div>
            <dt>Inside</dt>
            <dd>{battle.participants.length}</dd>
          </div>
        </dl>
        {mayEnter(battle, me.userId) ? (
          <button type="button" className="button button-primary button-wide" onClick={() => enter(battle)}>
            <Icon name={plays ? 'camera' : 'ticket'} />
            {plays ? 'Go on stage' : 'Come in'}
          </button>
        ) : (
          <Ticket battle={battle} reload={reload} enter={enter} />
        )}
      </div>
    </main>
  );
}

function Ticket({
  battle,
  reload,
  enter,
}: {
  battle: Battle;
  reload: () => void;
  enter: (battle: Battle) => void;
}) {
  const { api } = useSession();
  const { wallet, reloadWallet } = useLive();
  const price = formatMoney(battle.entryFeeMinor, battle.currency);
  const missingMinor = battle.entryFeeMinor - (wallet?.availableMinor ?? 0);
  const buy = useAction(async () => {
    try {
      await api.enterBattle(battle.roomId);
    } catch (error) {
      if (error instanceof ApiError && error.code === 'payment_required') reloadWallet();
      throw error;
    }
    enter({ ...battle, entered: true });
    reload();
  });
  return (
    <>
      <p className="battle-balance">
        You have{' '}
        <strong>{wallet === null ? '…' : formatMoney(wallet.availableMinor, wallet.currency)}</strong>. The
        ticket goes into the pot, and back to you if the battle is cancelled.
      </p>
      {buy.error !== null && <ErrorNote error={buy.error} />}
      {missingMinor > 0 && wallet !== null ? (
        <div className="battle-short">
          <p>{formatMoney(missingMinor, battle.currency)} are missing for the ticket.</p>
          <QuickTopUp amountMinor={amountFor(missingMinor)} onDone={reloadWallet} />
        </div>
      ) : (
        <button
          type="button"
          className="button button-primary button-wide"
          disabled={buy.busy}
          onClick={() => buy.run()}
        >
          <Icon name="ticket" />
          {buy.busy ? 'Paying…' : `Buy a ticket for ${price}`}
        </button>
      )}
    </>
  );
}
