import type { Battle } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { ErrorNote } from '../components/ErrorNote';
import { Sheet } from '../components/Sheet';
import { useSession } from '../state/session';
import { useAction } from '../state/useLoad';

/** The host's last word: settle the pot, or give it back. */
export function EndSheet({ battle, close }: { battle: Battle; close: () => void }) {
  const { api } = useSession();
  const end = useAction(async (cancel: boolean) => {
    await api.endBattle(battle.roomId, cancel);
    // The room tells everybody, the host as well.
  });
  const pot = formatMoney(battle.potMinor, battle.currency);
  return (
    <Sheet title="End the battle?" onClose={close}>
      <p className="muted">
        The pot of {pot} goes to you, less our fee. Cancelled, every ticket is given back instead; tips stay
        with whom they were given to.
      </p>
      {end.error !== null && <ErrorNote error={end.error} />}
      <div className="choice-buttons">
        <button
          type="button"
          className="button button-primary"
          disabled={end.busy}
          onClick={() => end.run(false)}
        >
          End and settle
        </button>
        <button
          type="button"
          className="button button-quiet"
          disabled={end.busy}
          onClick={() => end.run(true)}
        >
          Cancel and give back
        </button>
        <button type="button" className="button button-quiet" onClick={close}>
          Go on
        </button>
      </div>
    </Sheet>
  );
}
