import { backoffMs } from '@/signaling/backoff';
import { SignalingError } from '@/signaling/SignalingChannel';

/** The server keeps a seat this long for somebody whose network is gone (docs: charging, PAUSED). */
const GRACE_MS = 30_000;
/** A new joining whose media does not connect within this is followed by another. */
const CONNECT_PATIENCE_MS = 6_000;
/** After a longer absence a new session shows a picture sooner than the one of before does. */
const RESUME_WITHIN_MS = 3_000;
/** Backoff alone allows fewer within the grace: this bounds the loop whatever the clock does. */
const MAX_REJOINS = 60;

export interface RecoverySteps {
  /** Ask for a new media path over the signaling that stands. Resolves when there is one. */
  restart: () => Promise<void>;
  /** Join anew, but go on with the media that is there. Resolves when it has a path. */
  resume: () => Promise<void>;
  /** Join anew, with new signaling and new media. */
  rejoin: () => Promise<void>;
}

/** We were let in, but cannot go on with the media of before: there is another session, or no path. */
export class MediaLost extends Error {
  override readonly name = 'MediaLost';
}

export type RecoveryOutcome = 'mended' | 'refused' | 'given-up';

/** One attempt to come back after the network was lost, bounded by the server's grace. */
export class Recovery {
  /** What the server said last, if it was that which failed. */
  refusal: SignalingError | null = null;
  readonly #steps: RecoverySteps;
  #stopped = false;
  #restartUseful: boolean;
  /** The server may still have the session of the media that is there. */
  #resumeUseful = true;
  #wake: () => void = () => undefined;

  /** `signalingStands`: only then can the media path alone be mended. */
  constructor(steps: RecoverySteps, signalingStands: boolean) {
    this.#steps = steps;
    this.#restartUseful = signalingStands;
  }

  async run(): Promise<RecoveryOutcome> {
    const deadline = Date.now() + GRACE_MS;
    const resumeUntil = Date.now() + RESUME_WITHIN_MS;
    globalThis.addEventListener?.('online', this.#wakeUp);
    try {
      if (this.#restartUseful) {
        await this.#orWoken(this.#steps.restart().catch(() => this.skipRestart()));
      }
      for (let attempt = 0; attempt < MAX_REJOINS && Date.now() < deadline; attempt++) {
        if (this.#stopped) return 'mended';
        let waitMs = Math.max(backoffMs(attempt), 0);
        try {
          if (this.#resumeUseful && Date.now() < resumeUntil) {
            await this.#steps.resume();
            continue;
          }
          await this.#steps.rejoin();
          await this.#pause(CONNECT_PATIENCE_MS);
        } catch (error) {
          this.refusal = error instanceof SignalingError ? error : null;
          if (this.refusal?.final) return 'refused';
          waitMs = Math.max(waitMs, this.refusal?.retryAfterMs ?? 0);
          if (error instanceof MediaLost) {
            this.#resumeUseful = false;
            waitMs = 0;
          }
        }
        await this.#pause(waitMs);
      }
      return this.#stopped ? 'mended' : 'given-up';
    } finally {
      globalThis.removeEventListener?.('online', this.#wakeUp);
    }
  }

  /** Media flows again, or nobody wants it any more. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  /** The signaling is gone as well: a restart could not be answered. */
  skipRestart(): void {
    if (!this.#restartUseful) return;
    this.#restartUseful = false;
    this.#wake();
  }

  readonly #wakeUp = (): void => this.#wake();

  #orWoken(step: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      step.then(resolve, resolve);
    });
  }

  #pause(waitMs: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
