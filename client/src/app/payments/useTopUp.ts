import { useState } from 'react';
import type { PaymentMethod, TopUp } from '@/api/schemas';
import { formatMoney } from '@/money/money';
import { useAnnounce } from '../components/Announcer';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { useAction } from '../state/useLoad';
import { isFinal, topUpFailure } from './topUp';
import { useWatched } from './useWatched';

export interface TopUpInHand {
  pay: (amountMinor: number, method: PaymentMethod) => void;
  busy: boolean;
  error: unknown;
  /** Why the last try brought no money, in words. */
  declined: string | null;
  /** On its way, or waiting for the person to confirm it. */
  waiting: TopUp | null;
  /** Stops waiting; the payment may still arrive. */
  letGo: () => void;
}

/** Pays into the wallet and follows the payment until it is decided. `thanks` is told when money came. */
export function useTopUp({
  thanks = (amount) => `${amount} added to your wallet.`,
  onDone,
}: {
  thanks?: (amount: string) => string;
  onDone?: (() => void) | undefined;
}): TopUpInHand {
  const { api } = useSession();
  const { wallet, reloadWallet } = useLive();
  const announce = useAnnounce();
  const currency = wallet?.currency ?? 'EUR';
  const [declined, setDeclined] = useState<string | null>(null);
  const [waiting, setWaiting] = useState<{ topUp: TopUp; amountMinor: number } | null>(null);

  const follow = (topUp: TopUp, amountMinor: number) => {
    setDeclined(topUpFailure(topUp));
    setWaiting(isFinal(topUp) ? null : { topUp, amountMinor });
    if (topUp.status !== 'succeeded') return;
    announce(thanks(formatMoney(amountMinor, currency)), 'good');
    reloadWallet();
    onDone?.();
  };
  const pay = useAction(async (amountMinor: number, method: PaymentMethod) => {
    setDeclined(null);
    follow(await api.topUp(amountMinor, currency, method.paymentMethodId), amountMinor);
  });
  useWatched(
    waiting?.topUp.topUpId ?? null,
    (topUpId) => api.topUpOf(topUpId),
    isFinal,
    (seen) => {
      if (seen !== null && waiting !== null) follow(seen, waiting.amountMinor);
      else setWaiting(null);
    },
  );
  return {
    pay: pay.run,
    busy: pay.busy,
    error: pay.error,
    declined,
    waiting: waiting?.topUp ?? null,
    letGo: () => setWaiting(null),
  };
}
