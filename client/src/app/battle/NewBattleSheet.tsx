import { type FormEvent, useCallback, useState } from 'react';
import { useLocation } from 'wouter';
import type { NewBattle } from '@/api/Api';
import { parseMoney } from '@/money/money';
import { ErrorNote } from '../components/ErrorNote';
import { Sheet } from '../components/Sheet';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useAction, useLoad } from '../state/useLoad';

const MAX_TITLE_CHARS = 120;

/** A new battle: its name, the ticket, and against whom. */
export function NewBattleSheet({ close }: { close: () => void }) {
  const { api, me } = useSession();
  const { wallet } = useLive();
  const [, navigate] = useLocation();
  const [invalid, setInvalid] = useState<string | null>(null);
  const models = useLoad(useCallback(() => api.models(), [api]));
  const others = models.data?.filter(({ modelId }) => modelId !== me?.userId) ?? [];
  const currency = wallet?.currency ?? 'EUR';
  const open = useAction(async (battle: NewBattle) => {
    const { roomId } = await api.openBattle(battle);
    navigate(`/battles/${roomId}`);
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const fee = String(form.get('fee')).trim();
    const entryFeeMinor = fee === '' ? 0 : parseMoney(fee, currency);
    if (entryFeeMinor === null) {
      setInvalid('Enter a price such as 5.00, or leave it empty');
      return;
    }
    setInvalid(null);
    const title = String(form.get('title')).trim();
    open.run({ title, entryFeeMinor, players: form.getAll('player').map(String) });
  };
  return (
    <Sheet title="Start a battle" onClose={close}>
      <form className="form" onSubmit={submit}>
        <label className="field">
          <span>Title</span>
          <input name="title" maxLength={MAX_TITLE_CHARS} autoComplete="off" required />
        </label>
        <label className="field">
          <span>Ticket, in {currency}</span>
          <input
            name="fee"
            inputMode="decimal"
            autoComplete="off"
            aria-invalid={invalid !== null}
            aria-describedby="fee-note"
          />
          <small id="fee-note" className={invalid === null ? undefined : 'field-error'}>
            {invalid ?? 'Tickets fill the pot, which is yours at the end, less our fee. Empty: free.'}
          </small>
        </label>
        <fieldset className="rivals">
          <legend>On stage with you</legend>
          {models.error !== null && <ErrorNote error={models.error} retry={models.reload} />}
          {models.data !== undefined && others.length === 0 && (
            <p className="muted">There is no other creator here yet.</p>
          )}
          {others.map(({ modelId, displayName }) => (
            <label key={modelId}>
              <input type="checkbox" name="player" value={modelId} />
              <span>{displayName}</span>
            </label>
          ))}
        </fieldset>
        {open.error !== null && <ErrorNote error={open.error} />}
        <button type="submit" className="button button-primary button-wide" disabled={open.busy}>
          {open.busy ? 'Opening…' : 'Open the doors'}
        </button>
      </form>
    </Sheet>
  );
}
