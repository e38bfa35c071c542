import { Emitter } from '@/events/Emitter';
import { CameraError } from './CameraError';

/** `user` is the front camera of a phone, `environment` the back one. */
export type Facing = 'user' | 'environment';

export interface CameraServiceOptions {
  /** Where cameras come from; `navigator.mediaDevices` unless told otherwise. Undefined without HTTPS. */
  mediaDevices?: MediaDevices | undefined;
  /** Also the microphone. Default: true. */
  audio?: boolean;
}

interface CameraEvents {
  /** The stream in use changed: a start, a toggle, or null for a stop. */
  stream: MediaStream | null;
  /** A device went away while in use. */
  interrupted: CameraError;
}

/** HD 720p, as the spec asks; a camera that cannot gives what it has. */
const VIDEO: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30, max: 30 },
};
const AUDIO: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};

const JPEG_QUALITY = 0.92;
/** A started camera gives its first picture well within this. */
const FRAME_TIMEOUT_MS = 5_000;

/** The camera and microphone of this device: one stream at a time (spec: Camera Service). */
export class CameraService extends Emitter<CameraEvents> {
  readonly #mediaDevices: MediaDevices | undefined;
  readonly #audio: boolean;
  #stream: MediaStream | null = null;
  #facing: Facing = 'user';
  /** Counts starts and stops, so that a start overtaken by a stop gives its devices back. */
  #generation = 0;

  constructor(options: CameraServiceOptions = {}) {
    super();
    this.#mediaDevices =
      'mediaDevices' in options ? options.mediaDevices : globalThis.navigator?.mediaDevices;
    this.#audio = options.audio ?? true;
  }

  get stream(): MediaStream | null {
    return this.#stream;
  }

  get facing(): Facing {
    return this.#facing;
  }

  /** Starts camera and microphone. A running stream is stopped first. Throws `CameraError`. */
  async startCamera(facing: Facing = 'user'): Promise<MediaStream> {
    this.stopCamera();
    const generation = this.#generation;
    const stream = await this.#open(facing, this.#audio);
    if (generation !== this.#generation) {
      stopTracks(stream);
      throw new CameraError('interrupted');
    }
    this.#facing = facing;
    return this.#use(stream);
  }

  /**
   * Switches between front and back camera; the microphone goes on without a gap. If the other camera
   * cannot be had, the one in use is started again and the error thrown.
   */
  async toggleCamera(): Promise<MediaStream> {
    const current = this.#stream;
    if (current === null) throw new CameraError('not-started');
    const generation = this.#generation;
    const previous = this.#facing;
    const next: Facing = previous === 'user' ? 'environment' : 'user';
    // Phones refuse a second camera while the first is open.
    for (const track of current.getVideoTracks()) track.stop();

    let failure: unknown = null;
    const video = await this.#open(next, false).catch((error) => {
      failure = error;
      return this.#open(previous, false);
    });
    if (generation !== this.#generation) {
      stopTracks(video);
      throw new CameraError('interrupted');
    }
    if (failure === null) this.#facing = next;
    const stream = this.#use(new MediaStream([...video.getVideoTracks(), ...current.getAudioTracks()]));
    if (failure !== null) throw failure;
    return stream;
  }

  /** The picture of this moment as a JPEG. Throws `CameraError` when no camera is running. */
  async captureFrame(): Promise<Blob> {
    const track = this.#stream?.getVideoTracks()[0];
    if (track === undefined) throw new CameraError('not-started');
    const video = document.createElement('video');
    video.muted = true;
    video.playsInline = true;
    video.srcObject = new MediaStream([track]);
    try {
      await firstFrame(video);
      const canvas = document.createElement('canvas');
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
      canvas.getContext('2d')?.drawImage(video, 0, 0);
      return await toJpeg(canvas);
    } finally {
      video.srcObject = null;
    }
  }

  /** Stops camera and microphone; their lights go out. Harmless when nothing runs. */
  stopCamera(): void {
    this.#generation += 1;
    if (this.#stream === null) return;
    stopTracks(this.#stream);
    this.#stream = null;
    this.emit('stream', null);
  }

  #use(stream: MediaStream): MediaStream {
    this.#stream = stream;
    for (const track of stream.getTracks()) {
      // `ended` is only sent when something else than `stop()` ended the track.
      track.addEventListener('ended', () => {
        if (this.#stream === stream) this.emit('interrupted', new CameraError('interrupted'));
      });
    }
    this.emit('stream', stream);
    return stream;
  }

  async #open(facing: Facing, audio: boolean): Promise<MediaStream> {
    if (this.#mediaDevices?.getUserMedia === undefined) {
      throw new CameraError(globalThis.isSecureContext === false ? 'insecure-context' : 'unsupported');
    }
    let refusal: unknown = null;
    for (const video of [
      { ...VIDEO, facingMode: { exact: facing } },
      // A laptop has no facing, and some phones misreport it.
      { ...VIDEO, facingMode: facing },
      true,
    ]) {
      try {
        return await this.#mediaDevices.getUserMedia({ video, audio: audio && AUDIO });
      } catch (error) {
        refusal = error;
        if (!(error instanceof Error) || error.name !== 'OverconstrainedError') break;
      }
    }
    throw await this.#explain(refusal, audio);
  }

  /** `NotFoundError` does not say which device is missing: the list of devices does. */
  async #explain(refusal: unknown, audio: boolean): Promise<CameraError> {
    const error = CameraError.from(refusal);
    if (error.problem !== 'no-camera' || !audio) return error;
    const devices = (await this.#mediaDevices?.enumerateDevices?.()) ?? [];
    const onlyMicrophoneMissing =
      devices.some(({ kind }) => kind === 'videoinput') && !devices.some(({ kind }) => kind === 'audioinput');
    return onlyMicrophoneMissing ? new CameraError('no-microphone', { cause: refusal }) : error;
  }
}

function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function firstFrame(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new CameraError('interrupted')), FRAME_TIMEOUT_MS);
    video.addEventListener(
      'loadeddata',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
    video.play().catch((error) => {
      clearTimeout(timer);
      reject(CameraError.from(error));
    });
  });
}

function toJpeg(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob === null ? reject(new CameraError('unknown')) : resolve(blob)),
      'image/jpeg',
      JPEG_QUALITY,
    );
  });
}
