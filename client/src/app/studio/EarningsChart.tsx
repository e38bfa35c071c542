import { type RefObject, useEffect, useId, useRef, useState } from 'react';
import type { EarningsChart as Chart, DayBar } from '@/money/earningsChart';
import { formatMoney, formatRound } from '@/money/money';

/** Until the width on the page is known. */
const FIRST_WIDTH = 720;
const HEIGHT = 260;
const LEFT = 52;
const BOTTOM = 26;
const TOP = 10;
/** Colours for sources, most earning first; more than these share the last. */
const COLOURS = 7;

/** Bars per day, stacked by source. Screen readers, and whoever prefers figures, get the table below it. */
export function EarningsChart({ chart, currency }: { chart: Chart; currency: string }) {
  const [picked, setPicked] = useState<number | null>(null);
  const titleId = useId();
  const [figure, width] = useWidth(FIRST_WIDTH);
  const { days, sources, lowMinor, highMinor, ticksMinor } = chart;
  const y = (minor: number) =>
    TOP + (HEIGHT - TOP - BOTTOM) * (1 - (minor - lowMinor) / (highMinor - lowMinor));
  const step = (width - LEFT) / days.length;
  const colourOf = (source: string) =>
    Math.min(
      sources.findIndex((entry) => entry.source === source),
      COLOURS - 1,
    );
  const shown = picked === null ? null : (days[picked] ?? null);
  return (
    <figure ref={figure} className="chart">
      <figcaption className="chart-caption" aria-live="polite">
        {shown === null ? (
          <>
            <strong>{formatMoney(chart.netMinor, currency)}</strong>
            <span> earned in {days.length} days, after our fee</span>
          </>
        ) : (
          <>
            <strong>{formatMoney(shown.netMinor, currency)}</strong>
            <span> on {dayInWords(shown.day)}</span>
          </>
        )}
      </figcaption>
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-labelledby={titleId}>
        <title
          id={titleId}
        >{`Earnings of the last ${days.length} days, by source. The table below has the figures.`}</title>
        {ticksMinor.map((tick) => (
          <g key={tick} className="chart-line" data-zero={tick === 0 || undefined}>
            <line x1={LEFT} x2={width} y1={y(tick)} y2={y(tick)} />
            <text x={LEFT - 10} y={y(tick)} textAnchor="end" dominantBaseline="central">
              {formatRound(tick, currency)}
            </text>
          </g>
        ))}
        {days.map((bar, index) => (
          <g
            key={bar.day}
            className="chart-day"
            data-picked={picked === index || undefined}
            onPointerEnter={() => setPicked(index)}
            onPointerLeave={() => setPicked(null)}
          >
            <rect
              className="chart-reach"
              x={LEFT + index * step}
              y={TOP}
              width={step}
              height={HEIGHT - TOP - BOTTOM}
            />
            {bar.parts.map((part) => (
              <rect
                key={part.source}
                className={`chart-part chart-colour-${colourOf(part.source)}`}
                x={LEFT + index * step + step * 0.14}
                width={step * 0.72}
                y={y(part.toMinor)}
                height={Math.max(1, y(part.fromMinor) - y(part.toMinor))}
              />
            ))}
          </g>
        ))}
        {labelledDays(days).map(({ index, label }) => (
          <text
            key={index}
            className="chart-label"
            x={LEFT + (index + 0.5) * step}
            y={HEIGHT - 6}
            textAnchor={index === days.length - 1 ? 'end' : 'middle'}
          >
            {label}
          </text>
        ))}
      </svg>
      <ul className="chart-legend">
        {sources.map(({ source, netMinor }) => (
          <li key={source}>
            <span className={`chart-key chart-colour-${colourOf(source)}`} />
            {source}
            <strong>{formatMoney(netMinor, currency)}</strong>
          </li>
        ))}
      </ul>
      <DaysTable chart={chart} currency={currency} />
    </figure>
  );
}

/** The width of an element in CSS pixels: drawn to it one to one, letters keep their size on a phone. */
function useWidth(first: number): [RefObject<HTMLElement | null>, number] {
  const element = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(first);
  useEffect(() => {
    const observed = element.current;
    if (observed === null || typeof ResizeObserver === 'undefined') return;
    const observer = new ResizeObserver(() => setWidth(observed.clientWidth || first));
    observer.observe(observed);
    return () => observer.disconnect();
  }, [first]);
  return [element, width];
}

function DaysTable({ chart, currency }: { chart: Chart; currency: string }) {
  const earning = chart.days.filter(({ parts }) => parts.length > 0).toReversed();
  return (
    <details className="chart-table">
      <summary>As a table</summary>
      <div className="table-scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Day</th>
              {chart.sources.map(({ source }) => (
                <th key={source} scope="col">
                  {source}
                </th>
              ))}
              <th scope="col">Total</th>
            </tr>
          </thead>
          <tbody>
            {earning.map(({ day, parts, netMinor }) => (
              <tr key={day}>
                <th scope="row">{dayInWords(day)}</th>
                {chart.sources.map(({ source }) => (
                  <td key={source}>
                    {formatMoney(parts.find((part) => part.source === source)?.netMinor ?? 0, currency)}
                  </td>
                ))}
                <td>{formatMoney(netMinor, currency)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

/** Some five days with their names below them, the last one always. */
function labelledDays(days: readonly DayBar[]): { index: number; label: string }[] {
  const every = Math.max(1, Math.ceil(days.length / 5));
  return days.flatMap(({ day }, index) =>
    (days.length - 1 - index) % every === 0 ? [{ index, label: shortDay(day) }] : [],
  );
}

function shortDay(day: string): string {
  return new Date(day).toLocaleDateString(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' });
}

function dayInWords(day: string): string {
  return new Date(day).toLocaleDateString(undefined, { dateStyle: 'medium', timeZone: 'UTC' });
}
