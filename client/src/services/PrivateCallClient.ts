import type { CameraService } from './CameraService';
import { SFUClient, type SFUClientOptions, type Termination } from './SFUClient';

export interface PrivateCallClientOptions extends SFUClientOptions {
  /** Shows why the call has ended. Default: a text over the page, read out by screen readers. */
  alert?: (message: string) => void;
  /** Goes to another page of this site. Default: `location.assign`. */
  navigate?: (url: string) => void;
}

/** How long a person has to read why the call ended (spec: redirected after 1 second). */
export const REDIRECT_DELAY_MS = 1_000;

/**
 * A seat in a private call (spec: Private Call Client). When the call is ended by the server, it shows black,
 * falls silent, says why, lets go of connection and camera, and leaves the page.
 */
export class PrivateCallClient extends SFUClient {
  readonly #alert: (message: string) => void;
  readonly #navigate: (url: string) => void;
  #video: HTMLVideoElement | null = null;
  #audio: HTMLAudioElement | null = null;
  #remote: MediaStream | null = null;

  constructor(
    roomId: string,
    userId: string,
    cameraService: CameraService,
    options: PrivateCallClientOptions = {},
  ) {
    super(roomId, userId, cameraService, { simulcast: false, slotPairs: 1, ...options });
    this.#alert = options.alert ?? showAlert;
    this.#navigate = options.navigate ?? ((url) => location.assign(url));
  }

  /** Where the other side is seen and heard. May be called before or after joining. */
  attachStreamElements(videoEl: HTMLVideoElement, audioEl: HTMLAudioElement): void {
    this.#video = videoEl;
    this.#audio = audioEl;
    // The sound comes from the audio element alone.
    videoEl.muted = true;
    videoEl.playsInline = true;
    if (this.#remote !== null) this.#play(this.#remote);
  }

  protected override handleRemoteStream(stream: MediaStream, _userId: string): void {
    this.#remote = stream;
    this.#play(stream);
  }

  protected override handleTermination(termination: Termination): void {
    this.#cutToBlack();
    this.#alert(endingMessage(termination.reason));
    super.handleTermination(termination);
    const { redirectUrl } = termination;
    if (redirectUrl !== null && isOwnPage(redirectUrl)) {
      setTimeout(() => this.#navigate(redirectUrl), REDIRECT_DELAY_MS);
    }
  }

  #play(stream: MediaStream): void {
    for (const element of [this.#video, this.#audio]) {
      if (element === null) continue;
      element.srcObject = stream;
      // Refused until the person touches the page; `autoplay` goes on from there.
      element.play()?.catch((): void => undefined);
    }
  }

  #cutToBlack(): void {
    this.#remote = null;
    if (this.#video !== null) {
      this.#video.pause();
      this.#video.srcObject = null;
      this.#video.removeAttribute('poster');
      this.#video.style.backgroundColor = '#000';
      this.#video.muted = true;
    }
    if (this.#audio !== null) {
      this.#audio.pause();
      this.#audio.srcObject = null;
      this.#audio.muted = true;
    }
  }
}

/** The spec's words, such as "Your private call has ended. Reason: PAYMENT FAILED". */
export function endingMessage(reason: string): string {
  return `Your private call has ended. Reason: ${reason.replaceAll('_', ' ')}`;
}

/** A server may send people around on this site, and nowhere else. */
function isOwnPage(url: string): boolean {
  return new URL(url, location.href).origin === location.origin;
}

function showAlert(message: string): void {
  const note = document.createElement('div');
  note.setAttribute('role', 'alert');
  note.className = 'call-ended-note';
  note.textContent = message;
  document.body.append(note);
}
