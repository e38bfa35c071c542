import type { Api } from '@/api/Api';
import type { Call } from '@/api/schemas';
import { CameraError } from '@/services/CameraError';
import { CameraService, type Facing } from '@/services/CameraService';
import { PrivateCallClient, REDIRECT_DELAY_MS } from '@/services/PrivateCallClient';
import type { ConnectionState } from '@/services/SFUClient';
import type { TrackKind } from '@/services/SlotConnection';
import type { PaidSession } from '@/signaling/messages';

export interface ChatLine {
  id: number;
  mine: boolean;
  text: string;
}

/** Everything that the call page shows of a running call. Replaced as a whole on every change. */
export interface CallSnapshot {
  connection: ConnectionState;
  localStream: MediaStream | null;
  cameraProblem: CameraError | null;
  cameraStarting: boolean;
  remotePresent: boolean;
  micMuted: boolean;
  cameraMuted: boolean;
  session: PaidSession | null;
  /** When `session` came, by the local clock. */
  sessionAt: number;
  /** When the money runs out by the last warning, by the local clock. Null: no warning stands. */
  lowUntil: number | null;
  chat: readonly ChatLine[];
  unread: number;
  /** Why the call ended, as it is told to the person; null while it goes on. */
  ending: string | null;
  /** Joining was refused, or the connection is gone for good. */
  failure: unknown;
}

/** Why a seat ended that another window of the same person took over. */
const REPLACED = 'REPLACED';
/** Chat lines kept on the page. */
const MAX_CHAT_LINES = 500;

const START: CallSnapshot = {
  connection: 'idle',
  localStream: null,
  cameraProblem: null,
  cameraStarting: false,
  remotePresent: false,
  micMuted: false,
  cameraMuted: false,
  session: null,
  sessionAt: 0,
  lowUntil: null,
  chat: [],
  unread: 0,
  ending: null,
  failure: null,
};

/** One private call of one person, from the first look at the camera to the end: what the page shows and can do. */
export class CallController {
  readonly #camera = new CameraService();
  readonly #client: PrivateCallClient;
  readonly #api: Api;
  readonly #call: Call;
  readonly #myId: string;
  readonly #leaveTo: (url: string) => void;
  readonly #listeners = new Set<() => void>();
  #snapshot = START;
  #starting: Promise<void> | null = null;
  #joining = false;
  #disposed = false;
  #lines = 0;

  constructor(options: { api: Api; call: Call; myId: string; navigate: (url: string) => void }) {
    this.#api = options.api;
    this.#call = options.call;
    this.#myId = options.myId;
    this.#client = new PrivateCallClient(options.call.roomId, options.myId, this.#camera, {
      joinToken: () => options.api.joinToken(options.call.roomId),
      cameraOptional: true,
      alert: (ending) => this.#update({ ending, lowUntil: null }),
      navigate: (url) => this.#navigate(url),
    });
    this.#leaveTo = options.navigate;
    this.#listen();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): CallSnapshot => this.#snapshot;

  get facing(): Facing {
    return this.#camera.facing;
  }

  /** Starts the camera unless it runs or is starting already. What goes wrong is shown, not thrown. */
  startCamera(): Promise<void> {
    if (this.#camera.stream !== null) return Promise.resolve();
    this.#starting ??= this.#openCamera().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  attach(video: HTMLVideoElement, audio: HTMLAudioElement): void {
    this.#client.attachStreamElements(video, audio);
  }

  /** Joins once; without a camera one sees and hears only. */
  async join(): Promise<void> {
    if (this.#joining || this.#disposed) return;
    this.#joining = true;
    try {
      await this.#client.joinAsParticipant();
    } catch (error) {
      this.#joining = false;
      if (!this.#disposed && this.#snapshot.ending === null) this.#update({ failure: error });
    }
  }

  retryJoin(): Promise<void> {
    this.#update({ failure: null });
    return this.join();
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

  dismissCameraProblem(): void {
    this.#update({ cameraProblem: null });
  }

  say(text: string): void {
    this.#client.sendChat(text);
  }

  markRead(): void {
    if (this.#snapshot.unread > 0) this.#update({ unread: 0 });
  }

  /** Money came: the warning is over until the server warns again. */
  toppedUp(): void {
    this.#update({ lowUntil: null });
  }

  /** Hangs up: own picture and sound stop at once, then the server settles the call. */
  async hangUp(): Promise<void> {
    this.#client.leave();
    this.#camera.stopCamera();
    this.#update({ ending: 'You ended the call.', lowUntil: null });
    try {
      await this.#api.endCall(this.#call.callId);
    } finally {
      setTimeout(() => this.#navigate('/models'), REDIRECT_DELAY_MS);
    }
  }

  /** The page is left: the call is over for this person; nobody is rung for somebody who went away. */
  dispose(): void {
    this.#disposed = true;
    if (this.#call.fan.userId === this.#myId && this.#call.state === 'REQUESTED' && !this.#joining) {
      // Not heard, the ring ends by itself within its minute.
      this.#api.endCall(this.#call.callId).catch((): void => undefined);
    }
    this.#client.leave();
    this.#camera.stopCamera();
    this.#listeners.clear();
  }

  async #openCamera(): Promise<void> {
    this.#update({ cameraStarting: true, cameraProblem: null });
    try {
      await this.#camera.startCamera(this.#camera.facing);
    } catch (error) {
      this.#update({ cameraProblem: CameraError.from(error) });
    } finally {
      this.#update({ cameraStarting: false });
    }
  }

  #listen(): void {
    this.#camera.on('stream', (localStream) => this.#update({ localStream }));
    this.#camera.on('interrupted', (cameraProblem) => this.#update({ cameraProblem }));
    this.#client.on('connection', (connection) => this.#followConnection(connection));
    this.#client.onRemoteStream = () => this.#update({ remotePresent: true });
    this.#client.on('streamRemoved', () => this.#update({ remotePresent: false }));
    this.#client.on('session', (session) => this.#followSession(session));
    this.#client.on('lowBalance', ({ secondsLeft }) =>
      this.#update({ lowUntil: Date.now() + secondsLeft * 1000 }),
    );
    this.#client.on('terminated', ({ reason }) => {
      if (reason === REPLACED) this.#update({ ending: 'This call goes on in another window.' });
    });
    this.#client.on('lost', (failure) => this.#update({ failure }));
    this.#client.on('chat', ({ from, text }) => {
      const mine = from === this.#myId;
      this.#lines += 1;
      this.#update({
        chat: [...this.#snapshot.chat, { id: this.#lines, mine, text }].slice(-MAX_CHAT_LINES),
        unread: mine ? this.#snapshot.unread : this.#snapshot.unread + 1,
      });
    });
  }

  #followSession(session: PaidSession): void {
    const before = this.#snapshot.session?.balanceMinor ?? null;
    const toppedUp = before !== null && session.balanceMinor !== null && session.balanceMinor > before;
    this.#update({ session, sessionAt: Date.now(), ...(toppedUp && { lowUntil: null }) });
  }

  /** While the network is gone no time is billed, so none is counted here: the server says later what it was. */
  #followConnection(connection: ConnectionState): void {
    const { session, sessionAt } = this.#snapshot;
    const frozen =
      connection === 'reconnecting' && session !== null && session.paidUntil !== null
        ? { ...session, usedMs: session.usedMs + Date.now() - sessionAt, paidUntil: null }
        : session;
    this.#update({ connection, session: frozen });
  }

  #navigate(url: string): void {
    if (!this.#disposed) this.#leaveTo(url);
  }

  #update(change: Partial<CallSnapshot>): void {
    if (this.#disposed) return;
    this.#snapshot = { ...this.#snapshot, ...change };
    for (const listener of this.#listeners) listener();
  }
}
