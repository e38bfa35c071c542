/** The running meter of a call, between two messages of the server: its figures, carried on by the local clock. */
import type { PaidSession } from '@/signaling/messages';

const MS_PER_MINUTE = 60_000;

export interface MeterReading {
  usedMs: number;
  costMinor: number;
  running: boolean;
}

/** ceil(used, rounded up to the increment, x price / 60,000), in integers, as the server charges. */
export function chargeMinor(usedMs: number, pricePerMinuteMinor: number, incrementMs: number): number {
  const increments = Math.ceil(usedMs / incrementMs);
  return Math.ceil((increments * incrementMs * pricePerMinuteMinor) / MS_PER_MINUTE);
}

/**
 * What the meter shows `sinceMs` after the server told `session`. What a subscription includes costs nothing. It never
 * runs past what was granted, and stands still while the server says that no time runs.
 */
export function readMeter(
  session: PaidSession,
  sinceMs: number,
  tariff: { pricePerMinuteMinor: number; incrementMs: number },
): MeterReading {
  const running = session.paidUntil !== null;
  const ahead = running ? session.usedMs + Math.max(0, sinceMs) : session.usedMs;
  const usedMs =
    session.grantedMs === null ? ahead : Math.min(ahead, Math.max(session.grantedMs, session.usedMs));
  const paidMs = Math.max(0, usedMs - session.includedMs);
  return { usedMs, costMinor: chargeMinor(paidMs, tariff.pricePerMinuteMinor, tariff.incrementMs), running };
}

/** 83,000 ms as "1:23", over an hour as "1:01:23". */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}

/** 10,000 ms as "10 seconds", 60,000 ms as "1 minute", 90,000 ms as "1:30 minutes". */
export function durationInWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return seconds === 1 ? '1 second' : `${seconds} seconds`;
  if (seconds % 60 !== 0) return `${formatDuration(ms)} minutes`;
  return seconds === 60 ? '1 minute' : `${seconds / 60} minutes`;
}
