import type { Subscription } from '@/api/schemas';

export interface Standing {
  /** In words, such as "Active, renews on 3 March 2026". */
  words: string;
  tone: 'good' | 'warn' | 'over';
  /** Whether there is anything left to cancel. */
  cancellable: boolean;
  /** What helps: another card for what is owed, or taking a cancellation back. */
  remedy: 'pay' | 'resume' | null;
}

/** Where a subscription stands. A state of a newer server is told by the dates alone. */
export function standingOf(subscription: Subscription, now: number, locale?: string): Standing {
  const { state, cancelAtPeriodEnd, currentPeriodEnd } = subscription;
  const end =
    currentPeriodEnd === null
      ? null
      : new Date(currentPeriodEnd).toLocaleDateString(locale, { dateStyle: 'long' });
  if (state === 'ended' || (cancelAtPeriodEnd && currentPeriodEnd !== null && currentPeriodEnd <= now)) {
    return { words: 'Ended', tone: 'over', cancellable: false, remedy: null };
  }
  if (state === 'incomplete') {
    return { words: 'Waiting for your bank', tone: 'warn', cancellable: true, remedy: null };
  }
  if (state === 'past_due') {
    const words = 'The last payment failed. Check your card, and it goes on';
    return { words, tone: 'warn', cancellable: !cancelAtPeriodEnd, remedy: 'pay' };
  }
  if (cancelAtPeriodEnd) {
    const words = end === null ? 'Cancelled' : `Ends on ${end}`;
    return { words, tone: 'over', cancellable: false, remedy: 'resume' };
  }
  const words = end === null ? 'Active' : `Active, renews on ${end}`;
  return { words, tone: 'good', cancellable: true, remedy: null };
}

/** Whether the payment of a subscription waits for nobody any more: it stands, or it is no more. */
export function isDecided(subscription: Subscription | undefined): boolean {
  if (subscription === undefined || subscription.state === 'active') return true;
  return subscription.redirectUrl === null && subscription.state !== 'incomplete';
}
