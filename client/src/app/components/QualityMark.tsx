import type { Grade, Reading } from '@/services/CallQuality';

const WORDS: Readonly<Record<Grade, string>> = {
  good: 'Good connection',
  fair: 'Unsteady connection',
  poor: 'Bad connection',
};
/** How many of the three bars are lit. */
const BARS: Readonly<Record<Grade, number>> = { good: 3, fair: 2, poor: 1 };

/**
 * How good the connection is: three bars, and words where it is not good. Screen readers are told when it changes.
 * The figures are in the title, for whoever points at it.
 */
export function QualityMark({ reading }: { reading: Reading | null }) {
  return (
    <p
      className="quality"
      role="status"
      data-grade={reading?.grade}
      title={reading === null ? '' : figures(reading)}
    >
      {reading !== null && (
        <>
          <span className="quality-bars" aria-hidden="true">
            {[1, 2, 3].map((bar) => (
              <i key={bar} data-lit={bar <= BARS[reading.grade] || undefined} />
            ))}
          </span>
          <span className={reading.grade === 'good' ? 'visually-hidden' : 'quality-words'}>
            {WORDS[reading.grade]}
          </span>
        </>
      )}
    </p>
  );
}

function figures(reading: Reading): string {
  const { lossPercent, rttMs, jitterMs, freezeMs, heldBack, upBps, downBps, estimateBps } = reading;
  const parts = [
    rttMs === null ? null : `round trip ${Math.round(rttMs)} ms`,
    `${lossPercent.toFixed(1)} % lost`,
    jitterMs === null ? null : `jitter ${Math.round(jitterMs)} ms`,
    freezeMs > 0 ? `picture stood still for ${Math.round(freezeMs)} ms` : null,
    downBps === null ? null : `${megabits(downBps)} received`,
    estimateBps === null ? null : `of ${megabits(estimateBps)} possible`,
    upBps === null ? null : `${megabits(upBps)} sent`,
    heldBack ? 'pictures are held back' : null,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

function megabits(rateBps: number): string {
  return `${(rateBps / 1_000_000).toFixed(1)} Mbit/s`;
}
