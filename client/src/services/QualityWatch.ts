import type { Slot } from '@/signaling/messages';
import {
  compare,
  type Grade,
  isHeldBack,
  type Reading,
  readSample,
  type Sample,
  type ServerStats,
  type Told,
} from './CallQuality';

/** How often the statistics are read: often enough to see who is muted, seldom enough to cost nothing. */
export const LOOK_MS = 1_000;
/** So many looks in a row must agree before a better or worse grade is told, so that it does not flicker. */
export const LOOKS_TO_WORSEN = 2;
export const LOOKS_TO_IMPROVE = 4;

/** What the server told longer ago says nothing of now. */
export const STALE_MS = 10_000;

const RANK: Readonly<Record<Grade, number>> = { good: 0, fair: 1, poor: 2 };

/** Reads a connection's statistics over and over, and tells what happened since, with a steadied grade. */
export class QualityWatch {
  readonly #getStats: () => Promise<RTCStatsReport | null>;
  readonly #tell: (reading: Reading) => void;
  #timer: ReturnType<typeof setInterval> | null = null;
  #before: Sample | null = null;
  #looking = false;
  #stats: { at: number; stats: ServerStats } | null = null;
  #heldBack = false;
  #grade: Grade = 'good';
  #dissenting = 0;

  constructor(getStats: () => Promise<RTCStatsReport | null>, tell: (reading: Reading) => void) {
    this.#getStats = getStats;
    this.#tell = tell;
  }

  /** What the server sees of the connection goes into the next reading. */
  serverSees(stats: ServerStats): void {
    this.#stats = { at: Date.now(), stats };
  }

  /** What is on the slots now: pictures may be held back. */
  slotsAre(slots: readonly Slot[]): void {
    this.#heldBack = isHeldBack(slots);
  }

  /** Harmless when it runs already. */
  start(): void {
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#before = null;
    this.#stats = null;
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
      const reading = compare(before, now, this.#told(now.atMs));
      this.#tell({ ...reading, grade: this.#steadied(reading.grade) });
    } catch {
      // A connection that is being closed has no statistics.
      this.#before = null;
    } finally {
      this.#looking = false;
    }
  }

  #told(atMs: number): Told {
    const isFresh = this.#stats !== null && atMs - this.#stats.at <= STALE_MS;
    return { stats: isFresh ? (this.#stats?.stats ?? null) : null, heldBack: this.#heldBack };
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
