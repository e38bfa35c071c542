import { describe, expect, it } from 'vitest';
import { draftOf, readDraft } from '@/app/studio/ratesDraft';

const draft = draftOf(null, 'EUR');

describe('the rates form', () => {
  it('begins with rates that can be saved as they are', () => {
    expect(readDraft(draft, 'EUR').rates).toEqual({
      pricePerMinuteMinor: 300,
      currency: 'EUR',
      minimumMs: 60_000,
      incrementMs: 1_000,
      instantUnlockMinor: null,
      premiumHdMinor: null,
      subscriptionMonthlyMinor: null,
      subscriptionCalls: 'none',
      subscriptionMinutes: null,
    });
  });

  it('gives back what it was given', () => {
    const rates = {
      pricePerMinuteMinor: 450,
      currency: 'EUR',
      minimumMs: 30_000,
      incrementMs: 10_000,
      instantUnlockMinor: 500,
      premiumHdMinor: 200,
      subscriptionMonthlyMinor: 1_499,
      subscriptionCalls: 'minutes' as const,
      subscriptionMinutes: 60,
    };
    expect(readDraft(draftOf(rates, 'EUR'), 'EUR').rates).toEqual(rates);
  });

  it('keeps steps of less than a second', () => {
    expect(readDraft({ ...draft, increment: '0.1' }, 'EUR').rates?.incrementMs).toBe(100);
  });

  it.each([
    ['increment', '61'],
    ['price', '0'],
    ['price', 'three'],
    ['minimum', '-1'],
    ['minimum', '3601'],
    ['increment', '0'],
    ['unlock', '0'],
    ['hd', '1.005'],
    ['subscription', 'much'],
  ] as const)('refuses %s of %j, and says where', (field, value) => {
    const read = readDraft({ ...draft, [field]: value }, 'EUR');
    expect(read.rates).toBeNull();
    expect(Object.keys(read.invalid ?? {})).toEqual([field]);
  });

  it('asks for minutes only where a subscription has some', () => {
    const minutes = { ...draft, calls: 'minutes' as const };
    expect(readDraft(minutes, 'EUR').rates?.subscriptionCalls).toBe('none');
    expect(readDraft({ ...minutes, subscription: '10' }, 'EUR').invalid).toHaveProperty('minutes');
    expect(
      readDraft({ ...minutes, subscription: '10', minutes: '45' }, 'EUR').rates?.subscriptionMinutes,
    ).toBe(45);
  });
});
