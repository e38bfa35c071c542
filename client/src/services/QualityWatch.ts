import { compare, type Grade, type Reading, readSample, type Sample } from './CallQuality';

/** How often the statistics are read: often enough to see who speaks, seldom enough to cost nothing. */
export const LOOK_MS = 1_000;
/** So many looks in a row must agree before a better or worse grade is told, so that it does not flicker. */
export const LOOKS_TO_WORSEN = 2;
export const LOOKS_TO_IMPROVE = 4;

const RANK: Readonly<Record<Grade, number>> = { good: 0, fair: 1, poor: 2 };

/** Reads a connection's statistics over and over, and tells what happened since, with a steadied grade. */
export class QualityWatch {
  readonly #getStats: () => Promise<RTCStatsReport | null>;
  readonly #tell: (reading: Reading) => void;
  #timer: ReturnType<typeof setInterval> | null = null;
  #before: Sample | null = null;
  #looking = false;
  #grade: Grade = 'good';
  #dissenting = 0;

  constructor(getStats: () => Promise<RTCStatsReport | null>, tell: (reading: Reading) => void) {
    this.#getStats = getStats;
    this.#tell = tell;
  }

  /** Harmless when it runs already. */
  start(): void {
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#before = null;
    this.#grade = 'good';
    this.#dissenting = 0;
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const report = await this.#getStats();
      if (report === null || this.#timer === null) return;
      const now = readSample(report, Date.now());
      const before = this.#before;
      this.#before = now;
      if (before === null) return;
      const reading = compare(before, now);
      this.#tell({ ...reading, grade: this.#steadied(reading.grade) });
    } catch {
      // A connection that is being closed has no statistics.
      this.#before = null;
    } finally {
      this.#looking = false;
    }
  }

  #steadied(grade: Grade): Grade {
    const change = RANK[grade] - RANK[this.#grade];
    this.#dissenting = change === 0 ? 0 : this.#dissenting + 1;
    if (this.#dissenting >= (change > 0 ? LOOKS_TO_WORSEN : LOOKS_TO_IMPROVE)) {
      this.#grade = grade;
      this.#dissenting = 0;
    }
    return this.#grade;
  }
}
