/** How long to wait before reconnecting: doubling from `FIRST_DELAY_MS` up to `MAX_DELAY_MS`, each halved at random. */
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 5_000;

/**
 * Milliseconds to wait before try number `attempt` (from 0). The random half spreads clients that lost
 * the same server at the same moment.
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}
