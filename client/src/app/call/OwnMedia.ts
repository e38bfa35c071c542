import { CameraError } from '@/services/CameraError';
import type { CameraService, Facing } from '@/services/CameraService';
import type { SFUClient } from '@/services/SFUClient';
import type { TrackKind } from '@/services/SlotConnection';

/** What a page shows of the person's own camera and microphone. */
export interface OwnMediaState {
  localStream: MediaStream | null;
  cameraProblem: CameraError | null;
  cameraStarting: boolean;
  micMuted: boolean;
  cameraMuted: boolean;
}

export const NO_MEDIA: OwnMediaState = {
  localStream: null,
  cameraProblem: null,
  cameraStarting: false,
  micMuted: false,
  cameraMuted: false,
};

/** The own camera and microphone in a room, and what goes wrong with them: shown through `update`, never thrown. */
export class OwnMedia {
  readonly #camera: CameraService;
  readonly #client: SFUClient;
  readonly #update: (change: Partial<OwnMediaState>) => void;
  #starting: Promise<void> | null = null;

  constructor(camera: CameraService, client: SFUClient, update: (change: Partial<OwnMediaState>) => void) {
    this.#camera = camera;
    this.#client = client;
    this.#update = update;
    camera.on('stream', (localStream) => update({ localStream }));
    camera.on('interrupted', (cameraProblem) => update({ cameraProblem }));
  }

  get facing(): Facing {
    return this.#camera.facing;
  }

  /** Starts the camera unless it runs or is starting already. */
  start(): Promise<void> {
    if (this.#camera.stream !== null) return Promise.resolve();
    this.#starting ??= this.#open().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  stop(): void {
    this.#camera.stopCamera();
  }

  async flip(): Promise<void> {
    try {
      await this.#camera.toggleCamera();
    } catch (error) {
      this.#update({ cameraProblem: CameraError.from(error) });
    }
  }

  async toggle(kind: TrackKind): Promise<void> {
    const muted = !this.#client.isMuted(kind);
    await this.#client.setMuted(kind, muted);
    this.#update(kind === 'audio' ? { micMuted: muted } : { cameraMuted: muted });
  }

  dismissProblem(): void {
    this.#update({ cameraProblem: null });
  }

  async #open(): Promise<void> {
    this.#update({ cameraStarting: true, cameraProblem: null });
    try {
      await this.#camera.startCamera(this.#camera.facing);
    } catch (error) {
      this.#update({ cameraProblem: CameraError.from(error) });
    } finally {
      this.#update({ cameraStarting: false });
    }
  }
}
