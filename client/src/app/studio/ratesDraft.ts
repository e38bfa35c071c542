/** What a creator typed into the rates form, and what it means. */
import type { Rates } from '@/api/schemas';
import { editableMoney, parseMoney } from '@/money/money';

export interface RatesDraft {
  price: string;
  /** Seconds. */
  minimum: string;
  /** Seconds. */
  increment: string;
  /** Prices that may be left empty: then it is not on offer. */
  unlock: string;
  hd: string;
  subscription: string;
  calls: Rates['subscriptionCalls'];
  minutes: string;
}

export type RatesField = keyof RatesDraft;
export type Invalid = Partial<Record<RatesField, string>>;

/** What the server takes: the longest charge, the steps of a charge, and the minutes of a month. */
const MAX_MINIMUM_MS = 3_600_000;
const MIN_INCREMENT_MS = 100;
const MAX_INCREMENT_MS = 60_000;
const MAX_MINUTES = 44_640;

const DEFAULTS = { pricePerMinuteMinor: 300, minimumMs: 60_000, incrementMs: 1_000 };

export function draftOf(rates: Rates | null, currency: string): RatesDraft {
  const optional = (amountMinor: number | null | undefined) =>
    amountMinor === null || amountMinor === undefined ? '' : editableMoney(amountMinor, currency);
  return {
    price: editableMoney(rates?.pricePerMinuteMinor ?? DEFAULTS.pricePerMinuteMinor, currency),
    minimum: String((rates?.minimumMs ?? DEFAULTS.minimumMs) / 1000),
    increment: String((rates?.incrementMs ?? DEFAULTS.incrementMs) / 1000),
    unlock: optional(rates?.instantUnlockMinor),
    hd: optional(rates?.premiumHdMinor),
    subscription: optional(rates?.subscriptionMonthlyMinor),
    calls: rates?.subscriptionCalls ?? 'none',
    minutes: rates?.subscriptionMinutes == null ? '' : String(rates.subscriptionMinutes),
  };
}

/** The rates, or what is wrong with which field. */
export function readDraft(
  draft: RatesDraft,
  currency: string,
): { rates: Rates; invalid: null } | { rates: null; invalid: Invalid } {
  const invalid: Invalid = {};
  const price = parseMoney(draft.price, currency);
  if (price === null || price === 0) invalid.price = 'Enter a price such as 3.50';
  const optional = (field: 'unlock' | 'hd' | 'subscription'): number | null => {
    if (draft[field].trim() === '') return null;
    const amount = parseMoney(draft[field], currency);
    if (amount === null || amount === 0) invalid[field] = 'Enter a price such as 5.00, or leave it empty';
    return amount;
  };
  const unlock = optional('unlock');
  const hd = optional('hd');
  const subscription = optional('subscription');
  const minimumMs = milliseconds(draft.minimum, 0, MAX_MINIMUM_MS);
  if (minimumMs === null) invalid.minimum = 'Enter seconds, up to 3600';
  const incrementMs = milliseconds(draft.increment, MIN_INCREMENT_MS, MAX_INCREMENT_MS);
  if (incrementMs === null) invalid.increment = 'Enter seconds, up to 60';
  const byMinutes = subscription !== null && draft.calls === 'minutes';
  const minutes = byMinutes ? wholeNumber(draft.minutes, 1, MAX_MINUTES) : null;
  if (byMinutes && minutes === null) invalid.minutes = 'Enter whole minutes, such as 60';
  if (Object.keys(invalid).length > 0 || price === null || minimumMs === null || incrementMs === null) {
    return { rates: null, invalid };
  }
  return {
    rates: {
      pricePerMinuteMinor: price,
      currency,
      minimumMs,
      incrementMs,
      instantUnlockMinor: unlock,
      premiumHdMinor: hd,
      subscriptionMonthlyMinor: subscription,
      subscriptionCalls: subscription === null ? 'none' : draft.calls,
      subscriptionMinutes: minutes,
    },
    invalid: null,
  };
}

function wholeNumber(input: string, least: number, most: number): number | null {
  if (!/^\d{1,9}$/.test(input.trim())) return null;
  const value = Number(input);
  return value >= least && value <= most ? value : null;
}

/** Seconds, with or without a fraction, as milliseconds. */
function milliseconds(input: string, least: number, most: number): number | null {
  if (!/^\d{1,6}([.,]\d{1,3})?$/.test(input.trim())) return null;
  const value = Math.round(Number(input.trim().replace(',', '.')) * 1000);
  return value >= least && value <= most ? value : null;
}
