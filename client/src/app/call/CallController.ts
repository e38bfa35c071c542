import type { Api } from '@/api/Api';
import type { Call } from '@/api/schemas';
import { isHeldBack, type Reading } from '@/services/CallQuality';
import { CameraService } from '@/services/CameraService';
import { PrivateCallClient, REDIRECT_DELAY_MS } from '@/services/PrivateCallClient';
import { QualityWatch } from '@/services/QualityWatch';
import type { ConnectionState } from '@/services/SFUClient';
import type { PaidSession } from '@/signaling/messages';
import { SnapshotStore } from '../state/SnapshotStore';
import { NO_MEDIA, OwnMedia, type OwnMediaState } from './OwnMedia';

export interface ChatLine {
  id: number;
  mine: boolean;
  text: string;
}

/** Everything that the call page shows of a running call. Replaced as a whole on every change. */
export interface CallSnapshot extends OwnMediaState {
  connection: ConnectionState;
  /** How good the connection is; null while there is none. */
  quality: Reading | null;
  remotePresent: boolean;
  /** The other's picture is held back, as the connection would not carry it. */
  heldBack: boolean;
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
  ...NO_MEDIA,
  connection: 'idle',
  quality: null,
  remotePresent: false,
  heldBack: false,
  session: null,
  sessionAt: 0,
  lowUntil: null,
  chat: [],
  unread: 0,
  ending: null,
  failure: null,
};

/** One private call of one person, from the first look at the camera to the end: what the page shows and can do. */
export class CallController extends SnapshotStore<CallSnapshot> {
  readonly media: OwnMedia;
  readonly #client: PrivateCallClient;
  readonly #quality: QualityWatch;
  readonly #api: Api;
  readonly #call: Call;
  readonly #myId: string;
  readonly #leaveTo: (url: string) => void;
  #joining = false;
  #lines = 0;

  constructor(options: { api: Api; call: Call; myId: string; navigate: (url: string) => void }) {
    super(START);
    const camera = new CameraService();
    this.#api = options.api;
    this.#call = options.call;
    this.#myId = options.myId;
    this.#client = new PrivateCallClient(options.call.roomId, options.myId, camera, {
      joinToken: () => options.api.joinToken(options.call.roomId),
      cameraOptional: true,
      alert: (ending) => this.update({ ending, lowUntil: null }),
      navigate: (url) => this.#navigate(url),
    });
    this.media = new OwnMedia(camera, this.#client, (change) => this.update(change));
    this.#leaveTo = options.navigate;
    this.#quality = new QualityWatch(
      () => this.#client.getStats(),
      (quality) => this.update({ quality }),
    );
    this.#listen();
  }

  attach(video: HTMLVideoElement, audio: HTMLAudioElement): void {
    this.#client.attachStreamElements(video, audio);
  }

  /** Joins once; without a camera one sees and hears only. */
  async join(): Promise<void> {
    if (this.#joining || this.disposed) return;
    this.#joining = true;
    try {
      await this.#client.joinAsParticipant();
    } catch (error) {
      this.#joining = false;
      if (!this.disposed && this.snapshot().ending === null) this.update({ failure: error });
    }
  }

  retryJoin(): Promise<void> {
    this.update({ failure: null });
    return this.join();
  }

  say(text: string): void {
    this.#client.sendChat(text);
  }

  markRead(): void {
    if (this.snapshot().unread > 0) this.update({ unread: 0 });
  }

  /** Money came: the warning is over until the server warns again. */
  toppedUp(): void {
    this.update({ lowUntil: null });
  }

  /** Hangs up: own picture and sound stop at once, then the server settles the call. */
  async hangUp(): Promise<void> {
    this.#client.leave();
    this.media.stop();
    this.update({ ending: 'You ended the call.', lowUntil: null });
    try {
      await this.#api.endCall(this.#call.callId);
    } finally {
      setTimeout(() => this.#navigate('/models'), REDIRECT_DELAY_MS);
    }
  }

  /** The page is left: the call is over for this person; nobody is rung for somebody who went away. */
  override dispose(): void {
    super.dispose();
    this.#quality.stop();
    if (this.#call.fan.userId === this.#myId && this.#call.state === 'REQUESTED' && !this.#joining) {
      // Not heard, the ring ends by itself within its minute.
      this.#api.endCall(this.#call.callId).catch((): void => undefined);
    }
    this.#client.leave();
    this.media.stop();
  }

  #listen(): void {
    this.#client.on('connection', (connection) => this.#followConnection(connection));
    this.#client.onRemoteStream = () => this.update({ remotePresent: true });
    this.#client.on('streamRemoved', () => this.update({ remotePresent: false }));
    this.#client.on('stats', (stats) => this.#quality.serverSees(stats));
    this.#client.on('tracks', (slots) => {
      this.#quality.slotsAre(slots);
      this.update({ heldBack: isHeldBack(slots) });
    });
    this.#client.on('session', (session) => this.#followSession(session));
    this.#client.on('lowBalance', ({ secondsLeft }) =>
      this.update({ lowUntil: Date.now() + secondsLeft * 1000 }),
    );
    this.#client.on('terminated', ({ reason }) => {
      if (reason === REPLACED) this.update({ ending: 'This call goes on in another window.' });
    });
    this.#client.on('lost', (failure) => this.update({ failure }));
    this.#client.on('chat', ({ from, text }) => {
      const mine = from === this.#myId;
      this.#lines += 1;
      this.update({
        chat: [...this.snapshot().chat, { id: this.#lines, mine, text }].slice(-MAX_CHAT_LINES),
        unread: mine ? this.snapshot().unread : this.snapshot().unread + 1,
      });
    });
  }

  #followSession(session: PaidSession): void {
    const before = this.snapshot().session?.balanceMinor ?? null;
    const toppedUp = before !== null && session.balanceMinor !== null && session.balanceMinor > before;
    this.update({ session, sessionAt: Date.now(), ...(toppedUp && { lowUntil: null }) });
  }

  /** While the network is gone no time is billed, so none is counted here: the server says later what it was. */
  #followConnection(connection: ConnectionState): void {
    const { session, sessionAt } = this.snapshot();
    const frozen =
      connection === 'reconnecting' && session !== null && session.paidUntil !== null
        ? { ...session, usedMs: session.usedMs + Date.now() - sessionAt, paidUntil: null }
        : session;
    if (connection === 'connected') this.#quality.start();
    else this.#quality.stop();
    this.update({ connection, session: frozen, ...(connection !== 'connected' && { quality: null }) });
  }

  #navigate(url: string): void {
    if (!this.disposed) this.#leaveTo(url);
  }
}
