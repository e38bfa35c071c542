import type { TopUp } from '@/api/schemas';

const NOT_CONFIRMED = 'The payment was not confirmed with your bank. Nothing was taken. Try again.';

/** Decline codes of the gateways, in words that say what to do. */
const TEXT_BY_DECLINE_CODE: Readonly<Record<string, string>> = {
  insufficient_funds:
    'Your bank says there is not enough money on this card. Try a smaller amount or another card.',
  expired_card: 'This card has expired. Add another one.',
  authentication_required: NOT_CONFIRMED,
  authentication_failed: NOT_CONFIRMED,
  canceled: NOT_CONFIRMED,
};

/** Why no money came, in words; null if it came or may still come. */
export function topUpFailure(topUp: TopUp): string | null {
  if (topUp.status !== 'declined') return null;
  return (
    TEXT_BY_DECLINE_CODE[topUp.declineCode ?? ''] ??
    'Your bank declined this payment. Nothing was taken. Try another card.'
  );
}

export function isFinal(topUp: TopUp): boolean {
  return topUp.status === 'succeeded' || topUp.status === 'declined';
}

/** Where the person confirms the payment: a page of the web, or nowhere. */
export function confirmationUrl(redirectUrl: string | null): string | null {
  if (redirectUrl === null || !URL.canParse(redirectUrl, location.href)) return null;
  const url = new URL(redirectUrl, location.href);
  return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : null;
}

/** Waits between two looks: quick at first, as most people confirm at once; then patient. */
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 5_000;
/** Some ten minutes: banks give up sooner. */
const MAX_LOOKS = 130;

/**
 * Looks at something again and again until it is `done`; null when `signal` or the bound ended that first.
 * A look that fails is made good by the next one.
 */
export async function watch<T>(
  look: () => Promise<T>,
  done: (seen: T) => boolean,
  signal: AbortSignal,
  wait: (ms: number, signal: AbortSignal) => Promise<void> = pause,
): Promise<T | null> {
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    await wait(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 1.2 ** looks), signal);
    if (signal.aborted) return null;
    const seen = await look().catch(() => null);
    if (signal.aborted) return null;
    if (seen !== null && done(seen)) return seen;
  }
  return null;
}

/** Ends early when the person comes back to this page: that is when there is news. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', returned);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const returned = () => {
      if (document.visibilityState === 'visible') end();
    };
    const timer = setTimeout(end, ms);
    document.addEventListener('visibilitychange', returned);
    signal.addEventListener('abort', end);
  });
}
