import { describe, expect, it } from 'vitest';
import type { Rates } from '@/api/schemas';
import { durationInWords } from '@/money/meter';
import { callPrice, leastChargeMinor, minimumMinor, subscriptionIncludes } from '@/money/tariff';

const rates: Rates = {
  pricePerMinuteMinor: 300,
  currency: 'EUR',
  minimumMs: 60_000,
  incrementMs: 1_000,
  instantUnlockMinor: null,
  premiumHdMinor: null,
  subscriptionMonthlyMinor: 1_000,
  subscriptionCalls: 'none',
  subscriptionMinutes: null,
};

it('the least charge is the minimum, rounded up to the increment', () => {
  expect(leastChargeMinor(rates)).toBe(300);
  expect(leastChargeMinor({ ...rates, minimumMs: 61_000, incrementMs: 60_000 })).toBe(600);
  expect(minimumMinor({ ...rates, minimumMs: 61_000, incrementMs: 60_000 })).toBe(600);
  expect(minimumMinor({ ...rates, minimumMs: 60_000, incrementMs: 60_000 })).toBeNull();
});

describe('a subscription', () => {
  it('that is not on offer includes nothing', () => {
    expect(subscriptionIncludes({ ...rates, subscriptionMonthlyMinor: null })).toBeNull();
  });

  it.each([
    [{ subscriptionCalls: 'all' as const }, /Every private call/],
    [
      { subscriptionCalls: 'minutes' as const, subscriptionMinutes: 60 },
      /^60 minutes .* then .*3\.00 a minute/,
    ],
    [{ subscriptionCalls: 'none' as const }, /Calls stay at .*3\.00 a minute/],
  ])('%o says so', (change, words) => {
    expect(subscriptionIncludes({ ...rates, ...change })).toMatch(words);
  });
});

describe('the price of a call', () => {
  it('is the price of a minute for whoever is not subscribed', () => {
    expect(callPrice({ ...rates, subscriptionCalls: 'all' }, false).included).toBe(false);
  });

  it('is included for subscribers, if the subscription includes calls', () => {
    expect(callPrice({ ...rates, subscriptionCalls: 'all' }, true)).toMatchObject({ price: 'Included' });
    expect(callPrice({ ...rates, subscriptionCalls: 'minutes', subscriptionMinutes: 1 }, true).price).toBe(
      '1 minute included',
    );
    expect(callPrice(rates, true).included).toBe(false);
  });
});

it.each([
  [1_000, '1 second'],
  [10_000, '10 seconds'],
  [60_000, '1 minute'],
  [90_000, '1:30 minutes'],
  [300_000, '5 minutes'],
])('%d ms is %s', (ms, words) => {
  expect(durationInWords(ms)).toBe(words);
});
