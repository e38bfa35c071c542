/** The arithmetic of the earnings chart: days by sources, stacked, on a scale that ends on a round figure. */
import type { DailyEarnings } from '@/api/schemas';
import { sourceInWords } from './words';

type DailyItem = DailyEarnings['items'][number];

export interface Part {
  source: string;
  netMinor: number;
  /** Where the part begins and how far it reaches, in minor units on the scale. */
  fromMinor: number;
  toMinor: number;
}

export interface DayBar {
  /** ISO date. */
  day: string;
  netMinor: number;
  parts: readonly Part[];
}

export interface EarningsChart {
  days: readonly DayBar[];
  /** The names of what earned anything, most first. */
  sources: readonly { source: string; netMinor: number; count: number }[];
  netMinor: number;
  grossMinor: number;
  feeMinor: number;
  /** The scale: its ends, and the lines on it. */
  lowMinor: number;
  highMinor: number;
  ticksMinor: readonly number[];
}

const DAY_MS = 86_400_000;
/** Lines on the scale, at about this number. */
const TICKS = 4;

/** The last `count` days up to `today`, both ISO dates of UTC: days without earnings are bars of nothing. */
export function earningsChart(items: readonly DailyItem[], today: string, count: number): EarningsChart {
  const days = lastDays(today, count);
  const shown = items.filter(({ day }) => days.includes(day));
  const sources = totalsBySource(shown);
  const order = sources.map(({ source }) => source);
  const bars = days.map((day) =>
    barOf(
      day,
      shown.filter((item) => item.day === day),
      order,
    ),
  );
  const edges = bars.flatMap(({ parts }) => parts.flatMap(({ fromMinor, toMinor }) => [fromMinor, toMinor]));
  const scale = roundScale(Math.min(0, ...edges), Math.max(0, ...edges));
  return {
    days: bars,
    sources,
    netMinor: sum(shown, ({ netMinor }) => netMinor),
    grossMinor: sum(shown, ({ grossMinor }) => grossMinor),
    feeMinor: sum(shown, ({ feeMinor }) => feeMinor),
    ...scale,
  };
}

/** Oldest first. */
export function lastDays(today: string, count: number): string[] {
  const end = Date.parse(today);
  return Array.from({ length: count }, (_, index) =>
    new Date(end - (count - 1 - index) * DAY_MS).toISOString().slice(0, 10),
  );
}

function totalsBySource(items: readonly DailyItem[]): EarningsChart['sources'] {
  const totals = new Map<string, { source: string; netMinor: number; count: number }>();
  for (const item of items) {
    const source = sourceInWords(item.source);
    const total = totals.get(source) ?? { source, netMinor: 0, count: 0 };
    total.netMinor += item.netMinor;
    total.count += item.count;
    totals.set(source, total);
  }
  return [...totals.values()].sort((a, b) => b.netMinor - a.netMinor || a.source.localeCompare(b.source));
}

/** What was earned is stacked upwards from zero; what was taken back hangs below it. */
function barOf(day: string, items: readonly DailyItem[], order: readonly string[]): DayBar {
  let above = 0;
  let below = 0;
  const parts = order.flatMap((source): Part[] => {
    const netMinor = sum(
      items.filter((item) => sourceInWords(item.source) === source),
      (item) => item.netMinor,
    );
    if (netMinor === 0) return [];
    const fromMinor = netMinor > 0 ? above : below + netMinor;
    const toMinor = netMinor > 0 ? above + netMinor : below;
    if (netMinor > 0) above = toMinor;
    else below = fromMinor;
    return [{ source, netMinor, fromMinor, toMinor }];
  });
  return { day, netMinor: above + below, parts };
}

/** A scale from `low` to `high` in steps of 1, 2 or 5 times a power of ten, and its lines. */
export function roundScale(
  low: number,
  high: number,
): { lowMinor: number; highMinor: number; ticksMinor: number[] } {
  const step = roundStep(Math.max(high - low, TICKS) / TICKS);
  const lowMinor = Math.floor(low / step) * step;
  const highMinor = Math.max(Math.ceil(high / step) * step, lowMinor + step);
  const ticksMinor: number[] = [];
  for (let tick = lowMinor; tick <= highMinor; tick += step) ticksMinor.push(tick);
  return { lowMinor, highMinor, ticksMinor };
}

function roundStep(rough: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const multiple = [1, 2, 5, 10].find((candidate) => candidate * magnitude >= rough) ?? 10;
  return Math.max(1, multiple * magnitude);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
