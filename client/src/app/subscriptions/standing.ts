import type { Subscription } from '@/api/schemas';

export interface Standing {
  /** In words, such as "Renews on 3 March 2026". */
  words: string;
  tone: 'good' | 'warn' | 'over';
  /** Whether there is anything left to cancel. */
  cancellable: boolean;
  /** Whether it is the card that has to be seen to. */
  needsCard: boolean;
}

/** States after which nothing is renewed or owed any more. */
const OVER: ReadonlySet<string> = new Set(['cancelled', 'canceled', 'ended', 'expired']);
/** States in which the first payment is not decided yet. */
const BEGINNING: ReadonlySet<string> = new Set(['incomplete', 'pending', 'requires_action']);

/** Where a subscription stands. States of a newer server are told by the dates alone. */
export function standingOf(subscription: Subscription, locale?: string): Standing {
  const { cancelAtPeriodEnd, currentPeriodEnd } = subscription;
  const state = subscription.state.toLowerCase();
  const end =
    currentPeriodEnd === null
      ? null
      : new Date(currentPeriodEnd).toLocaleDateString(locale, { dateStyle: 'long' });
  if (OVER.has(state)) {
    return { words: 'Ended', tone: 'over', cancellable: false, needsCard: false };
  }
  if (state === 'past_due') {
    return {
      words: 'The last payment failed. Check your card, and it goes on.',
      tone: 'warn',
      cancellable: !cancelAtPeriodEnd,
      needsCard: true,
    };
  }
  if (BEGINNING.has(state)) {
    return { words: 'Waiting for your bank', tone: 'warn', cancellable: true, needsCard: false };
  }
  if (cancelAtPeriodEnd) {
    return {
      words: end === null ? 'Cancelled' : `Ends on ${end}`,
      tone: 'over',
      cancellable: false,
      needsCard: false,
    };
  }
  return {
    words: end === null ? 'Active' : `Active, renews on ${end}`,
    tone: 'good',
    cancellable: true,
    needsCard: false,
  };
}
