import { type FormEvent, useCallback, useState } from 'react';
import type { PaymentMethod, AutoRecharge as Settings } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { useAnnounce } from '../components/Announcer';
import { ErrorNote } from '../components/ErrorNote';
import { AMOUNTS_MINOR } from '../payments/Amounts';
import { brandName } from '../payments/CardPicker';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useAction, useLoad } from '../state/useLoad';

const DEFAULT_AMOUNT_MINOR = 2_000;
const DEFAULT_MAX_PER_DAY = 3;
const MAX_PER_DAY = [1, 2, 3, 5, 10] as const;

/** Lets a card refill the wallet before a call runs out of money, within a bound for each day. */
export function AutoRecharge({ methods }: { methods: readonly PaymentMethod[] }) {
  const { api } = useSession();
  const loaded = useLoad(useCallback(() => api.autoRecharge(), [api]));
  if (loaded.error !== null) return <ErrorNote error={loaded.error} retry={loaded.reload} />;
  if (loaded.data === undefined) return <div className="skeleton movement-skeleton" />;
  return <AutoRechargeForm settings={loaded.data} methods={methods} reload={loaded.reload} />;
}

function AutoRechargeForm(props: {
  settings: Settings;
  methods: readonly PaymentMethod[];
  reload: () => void;
}) {
  const { settings, methods, reload } = props;
  const { api } = useSession();
  const { wallet } = useLive();
  const announce = useAnnounce();
  const [enabled, setEnabled] = useState(settings.enabled);
  const currency = wallet?.currency ?? 'EUR';
  const save = useAction(async (wish: Settings) => {
    await api.setAutoRecharge(wish);
    announce(wish.enabled ? 'Your wallet refills by itself.' : 'Automatic top-up is off.', 'good');
    reload();
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    save.run({
      enabled,
      paymentMethodId: String(form.get('card')),
      amountMinor: Number(form.get('amount')),
      maxPerDay: Number(form.get('maxPerDay')),
    });
  };
  const switchOff = () => {
    setEnabled(false);
    if (settings.enabled) save.run({ ...settings, enabled: false });
  };
  return (
    <form className="form" onSubmit={submit}>
      <div className="switch-row">
        <p className="muted" id="auto-recharge-what">
          When a call is about to run out of money, your card adds some by itself and the call goes on.
        </p>
        <button
          type="button"
          role="switch"
          aria-checked={enabled}
          aria-label="Automatic top-up"
          aria-describedby="auto-recharge-what"
          className="switch"
          disabled={methods.length === 0 && !enabled}
          onClick={() => (enabled ? switchOff() : setEnabled(true))}
        />
      </div>
      {methods.length === 0 && <p className="muted">Save a card first.</p>}
      {enabled && methods.length > 0 && (
        <>
          <label className="field">
            <span>Card</span>
            <select name="card" defaultValue={settings.paymentMethodId ?? methods.at(-1)?.paymentMethodId}>
              {methods.map((method) => (
                <option key={method.paymentMethodId} value={method.paymentMethodId}>
                  {brandName(method.brand)} ending in {method.last4}
                </option>
              ))}
            </select>
          </label>
          <div className="field-pair">
            <label className="field">
              <span>Each time</span>
              <select name="amount" defaultValue={settings.amountMinor ?? DEFAULT_AMOUNT_MINOR}>
                {withCurrent(AMOUNTS_MINOR, settings.amountMinor).map((amount) => (
                  <option key={amount} value={amount}>
                    {formatMoney(amount, currency)}
                  </option>
                ))}
              </select>
            </label>
            <label className="field">
              <span>At most, a day</span>
              <select name="maxPerDay" defaultValue={settings.maxPerDay ?? DEFAULT_MAX_PER_DAY}>
                {withCurrent(MAX_PER_DAY, settings.maxPerDay).map((times) => (
                  <option key={times} value={times}>
                    {times === 1 ? 'once' : `${times} times`}
                  </option>
                ))}
              </select>
            </label>
          </div>
          <button type="submit" className="button button-primary" disabled={save.busy}>
            {save.busy ? 'Saving…' : 'Save'}
          </button>
        </>
      )}
      {save.error !== null && <ErrorNote error={save.error} />}
    </form>
  );
}

/** The choices, and what is set now if it is none of them. */
function withCurrent(choices: readonly number[], current: number | null): number[] {
  return [...new Set([...choices, ...(current === null ? [] : [current])])].sort((a, b) => a - b);
}
