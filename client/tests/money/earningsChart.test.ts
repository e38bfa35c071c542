import { describe, expect, it } from 'vitest';
import { earningsChart, lastDays, roundScale } from '@/money/earningsChart';

const item = (day: string, source: string, netMinor: number, count = 1) => ({
  day,
  source,
  netMinor,
  grossMinor: netMinor * 1.25,
  feeMinor: netMinor * 0.25,
  count,
});

describe('the days of the chart', () => {
  it('end today and cross months', () => {
    expect(lastDays('2026-03-02', 4)).toEqual(['2026-02-27', '2026-02-28', '2026-03-01', '2026-03-02']);
  });

  it('without earnings are bars of nothing', () => {
    const chart = earningsChart([], '2026-03-02', 3);
    expect(chart.days.map(({ parts }) => parts)).toEqual([[], [], []]);
    expect(chart).toMatchObject({ netMinor: 0, lowMinor: 0 });
    expect(chart.highMinor).toBeGreaterThan(0);
  });

  it('before the range are left out of the sums', () => {
    const chart = earningsChart(
      [item('2026-02-01', 'tip', 900), item('2026-03-02', 'tip', 100)],
      '2026-03-02',
      7,
    );
    expect(chart.netMinor).toBe(100);
    expect(chart.sources).toEqual([{ source: 'Tips', netMinor: 100, count: 1 }]);
  });
});

describe('a bar', () => {
  const chart = earningsChart(
    [
      item('2026-03-01', 'tip', 100),
      item('2026-03-01', 'call', 400, 3),
      item('2026-03-02', 'call', 300),
      item('2026-03-02', 'chargeback', -250),
    ],
    '2026-03-02',
    2,
  );

  it('is stacked without gaps, what earns most at the bottom', () => {
    expect(chart.days[0]?.parts).toEqual([
      { source: 'Private calls', netMinor: 400, fromMinor: 0, toMinor: 400 },
      { source: 'Tips', netMinor: 100, fromMinor: 400, toMinor: 500 },
    ]);
  });

  it('hangs below zero for what was taken back, and its sum is both', () => {
    expect(chart.days[1]).toMatchObject({
      netMinor: 50,
      parts: [
        { source: 'Private calls', fromMinor: 0, toMinor: 300 },
        { source: 'Disputes', fromMinor: -250, toMinor: 0 },
      ],
    });
  });

  it('adds up to the same as its sources', () => {
    const bySource = chart.sources.reduce((sum, { netMinor }) => sum + netMinor, 0);
    const byDay = chart.days.reduce((sum, { netMinor }) => sum + netMinor, 0);
    expect(bySource).toBe(chart.netMinor);
    expect(byDay).toBe(chart.netMinor);
  });

  it('lies within the scale', () => {
    expect(chart.lowMinor).toBeLessThanOrEqual(-250);
    expect(chart.highMinor).toBeGreaterThanOrEqual(500);
  });
});

describe('the scale', () => {
  it.each([
    [0, 0],
    [0, 1],
    [0, 7],
    [0, 1_000],
    [0, 1_001],
    [0, 987_654_321],
    [-2_400, 10_300],
    [-5, 0],
  ])('from %d to %d has few lines, zero among them, evenly spaced', (low, high) => {
    const { lowMinor, highMinor, ticksMinor } = roundScale(low, high);
    expect(lowMinor).toBeLessThanOrEqual(low);
    expect(highMinor).toBeGreaterThanOrEqual(high);
    expect(highMinor).toBeGreaterThan(lowMinor);
    expect(ticksMinor).toContain(0);
    expect(ticksMinor.length).toBeGreaterThanOrEqual(2);
    expect(ticksMinor.length).toBeLessThanOrEqual(7);
    expect(ticksMinor.at(-1)).toBe(highMinor);
    expect(ticksMinor.every(Number.isSafeInteger)).toBe(true);
  });
});
