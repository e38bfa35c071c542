const LOOK_MS = 500;
/** Something came at each of so many looks in a row: then it is worth noticing that nothing comes any more. */
const FLOWING_LOOKS = 4;
/** Nothing came at so many looks in a row. */
const SILENT_LOOKS = 3;

/**
 * Tells when media that came all the time comes no more: browsers take up to six seconds to say that a path is lost.
 * That the others fell silent looks the same, so it is a reason to ask, not to give up.
 */
export class SilenceWatch {
  readonly #getStats: () => Promise<RTCStatsReport>;
  readonly #onSilence: () => void;
  #timer: ReturnType<typeof setInterval> | null = null;
  #received = 0;
  #flowing = 0;
  #silent = 0;

  constructor(getStats: () => Promise<RTCStatsReport>, onSilence: () => void) {
    this.#getStats = getStats;
    this.#onSilence = onSilence;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      // A connection that is just being closed has no statistics, and needs no watch.
      this.#look().catch((): void => undefined);
    }, LOOK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  async #look(): Promise<void> {
    let received = 0;
    (await this.#getStats()).forEach((entry) => {
      if (entry.type === 'candidate-pair') received += entry.bytesReceived ?? 0;
    });
    if (received !== this.#received) {
      this.#received = received;
      this.#flowing += 1;
      this.#silent = 0;
      return;
    }
    if (this.#flowing < FLOWING_LOOKS) {
      this.#flowing = 0;
      return;
    }
    this.#silent += 1;
    if (this.#silent < SILENT_LOOKS) return;
    this.#flowing = 0;
    if (this.#timer !== null) this.#onSilence();
  }
}
