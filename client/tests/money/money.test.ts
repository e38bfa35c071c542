import { describe, expect, it } from 'vitest';
import { chargeMinor, formatDuration, readMeter } from '@/money/meter';
import { editableMoney, formatMoney, parseMoney } from '@/money/money';

describe('minor units as text', () => {
  it.each([
    [1234, 'EUR', '€12.34'],
    [5, 'EUR', '€0.05'],
    [0, 'EUR', '€0.00'],
    [-960, 'EUR', '-€9.60'],
    [1234, 'JPY', '¥1,234'],
    [9007199254740991, 'EUR', '€90,071,992,547,409.91'],
  ])('%d %s is %s', (amount, currency, text) => {
    expect(formatMoney(amount, currency, 'en')).toBe(text);
  });

  it.each([
    ['3.50', 350],
    ['3,5', 350],
    [' 12 ', 1200],
    ['0.07', 7],
    ['1.005', null],
    ['-1', null],
    ['1e3', null],
    ['', null],
  ])('%j typed by a person is %s', (text, amount) => {
    expect(parseMoney(text, 'EUR')).toBe(amount);
  });

  it('can be edited', () => {
    expect(editableMoney(350, 'EUR')).toBe('3.50');
    expect(editableMoney(7, 'EUR')).toBe('0.07');
    expect(editableMoney(500, 'JPY')).toBe('500');
  });
});

describe('the meter', () => {
  const tariff = { pricePerMinuteMinor: 300, incrementMs: 1_000 };
  const session = {
    sessionId: 's',
    state: 'ACTIVE',
    usedMs: 10_000,
    grantedMs: 60_000,
    includedMs: 0,
    paidUntil: 1,
    pricePerMinuteMinor: 300,
    currency: 'EUR',
    balanceMinor: 1000,
    earnedMinor: null,
  };

  it('charges begun increments, rounded up to the minor unit', () => {
    expect(chargeMinor(0, 300, 1_000)).toBe(0);
    expect(chargeMinor(1, 300, 1_000)).toBe(5);
    expect(chargeMinor(60_000, 300, 1_000)).toBe(300);
    expect(chargeMinor(61_000, 100, 60_000)).toBe(200);
    expect(chargeMinor(1_000, 1, 1_000)).toBe(1);
  });

  it('runs on between two messages', () => {
    expect(readMeter(session, 2_500, tariff)).toEqual({ usedMs: 12_500, costMinor: 65, running: true });
  });

  it('asks nothing for what a subscription includes, and the price for what comes after', () => {
    expect(readMeter({ ...session, includedMs: 30_000 }, 2_500, tariff).costMinor).toBe(0);
    expect(readMeter({ ...session, includedMs: 30_000 }, 30_000, tariff)).toMatchObject({
      usedMs: 40_000,
      costMinor: 50,
    });
  });

  it('never runs past what was granted', () => {
    expect(readMeter(session, 999_000, tariff).usedMs).toBe(60_000);
  });

  it('stands still while no time runs', () => {
    expect(readMeter({ ...session, paidUntil: null }, 5_000, tariff)).toMatchObject({
      usedMs: 10_000,
      running: false,
    });
  });

  it('of a creator, who is told no grant, runs on as well', () => {
    expect(readMeter({ ...session, grantedMs: null }, 1_000, tariff).usedMs).toBe(11_000);
  });

  it.each([
    [0, '0:00'],
    [59_999, '0:59'],
    [83_000, '1:23'],
    [3_661_000, '1:01:01'],
  ])('shows %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
