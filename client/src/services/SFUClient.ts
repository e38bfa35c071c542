import { Emitter } from '@/events/Emitter';
import type { Participant, ServerMessage } from '@/signaling/messages';
import { SignalingChannel, SignalingError, socketUrl } from '@/signaling/SignalingChannel';
import type { CameraService } from './CameraService';
import { answered, joined, playlist, restarted } from './handshake';
import { MediaLost, Recovery } from './Recovery';
import type {
  ConnectionState,
  RemoteStreamHandler,
  SFUClientOptions,
  SFUEvents,
  Termination,
} from './SFUTypes';
import { MAX_SLOT_PAIRS, SlotConnection, type TrackKind } from './SlotConnection';
import { VisibilityWishes } from './VisibilityWishes';

export type {
  ConnectionState,
  RemoteStreamHandler,
  SFUClientOptions,
  SFUEvents,
  Termination,
} from './SFUTypes';

const OPEN_TIMEOUT_MS = 5_000;
/** A disconnected path often comes back by itself; after this a new one is asked for. */
const DISCONNECTED_PATIENCE_MS = 2_000;

/**
 * A seat in a room of the SFU, or a place among its spectators (spec: SFU Client).
 *
 * A lost network is mended by itself for as long as the server keeps the seat: first with a new path for the
 * media, then by joining anew. `leave`, a final refusal, TERMINATE_CALL and a network away for too long end it.
 */
export class SFUClient extends Emitter<SFUEvents> {
  readonly roomId: string;
  readonly userId: string;
  /** Tells the server which pictures are looked at, and how large: `wishes.watch(element, userId)`. */
  readonly wishes = new VisibilityWishes((wish) =>
    this.#channel?.send({ type: 'SET_SUBSCRIPTION', ...wish }),
  );
  protected readonly camera: CameraService;
  readonly #options: SFUClientOptions;
  readonly #muted = new Set<TrackKind>();
  readonly #remoteStreams = new Map<string, MediaStream>();
  readonly #participants = new Map<string, Participant>();
  #onRemoteStream: RemoteStreamHandler = () => undefined;
  #state: ConnectionState = 'idle';
  #channel: SignalingChannel | null = null;
  #media: SlotConnection | null = null;
  #recovery: Recovery | null = null;
  #patience: ReturnType<typeof setTimeout> | null = null;
  #stopFollowingCamera: () => void = () => undefined;

  constructor(roomId: string, userId: string, cameraService: CameraService, options: SFUClientOptions = {}) {
    super();
    this.roomId = roomId;
    this.userId = userId;
    this.camera = cameraService;
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get participants(): readonly Participant[] {
    return [...this.#participants.values()];
  }

  get onRemoteStream(): RemoteStreamHandler {
    return this.#onRemoteStream;
  }

  /** Called with each participant's stream; set late, it is told at once of the streams that are there. */
  set onRemoteStream(handler: RemoteStreamHandler) {
    this.#onRemoteStream = handler;
    for (const [userId, stream] of this.#remoteStreams) handler(stream, userId);
  }

  /**
   * Takes a seat: starts the camera if it is off, joins, and negotiates media. Resolves when the server has
   * answered; `connection` tells when media flows. Throws `CameraError` or `SignalingError`.
   */
  async joinAsParticipant(): Promise<void> {
    this.#begin();
    try {
      if (this.camera.stream === null && !this.#options.watchOnly) {
        await this.camera.startCamera().catch((error) => {
          if (!this.#options.cameraOptional) throw error;
        });
      }
      await this.#enter();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Joins as a viewer; returns the address of the HLS playlist. Throws `SignalingError`. */
  async joinAsSpectator(): Promise<string> {
    this.#begin();
    try {
      const channel = await this.#open(true);
      const streamUrl = await playlist(channel);
      this.#channel = channel;
      channel.on('lost', () => this.close());
      this.#setState('connected');
      return streamUrl;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Leaves for good. The camera goes on: it belongs to the caller. */
  leave(): void {
    this.#channel?.send({ type: 'LEAVE_ROOM' });
    this.close();
  }

  sendChat(text: string): void {
    this.#channel?.send({ type: 'CHAT', text });
  }

  /** Muted means not sent at all: no black pictures, no silence, and no time billed for them. */
  async setMuted(kind: TrackKind, muted: boolean): Promise<void> {
    if (muted) this.#muted.add(kind);
    else this.#muted.delete(kind);
    await this.#media?.replaceTrack(kind, this.#ownTrack(kind));
  }

  isMuted(kind: TrackKind): boolean {
    return this.#muted.has(kind);
  }

  async getStats(): Promise<RTCStatsReport | null> {
    return (await this.#media?.getStats()) ?? null;
  }

  /** What is done on TERMINATE_CALL: everything is let go of, then listeners are told. */
  protected handleTermination(termination: Termination): void {
    this.close();
    this.camera.stopCamera();
    this.emit('terminated', termination);
  }

  /** Called once for each remote stream, before `onRemoteStream`. */
  protected handleRemoteStream(_stream: MediaStream, _userId: string): void {}

  /** Closes the connection without a word to the server. */
  protected close(): void {
    this.#endRecovery();
    this.wishes.end();
    this.#stopFollowingCamera();
    this.#channel?.close();
    this.#channel = null;
    this.#closeMedia();
    this.#participants.clear();
    this.#setState('closed');
  }

  /** A new joining ends the one before: a seat and a spectator's place exclude each other. */
  #begin(): void {
    if (this.#state !== 'idle' && this.#state !== 'closed') this.leave();
    this.#setState('connecting');
    this.#stopFollowingCamera = this.camera.on('stream', () => this.#followCamera());
  }

  async #open(isSpectator: boolean): Promise<SignalingChannel> {
    const token = await this.#options.joinToken?.();
    const url = this.#options.signalingUrl ?? socketUrl('/api/rtc/signaling');
    const channel = await SignalingChannel.open(
      url,
      this.#options.createSocket ?? ((address) => new WebSocket(address)),
      OPEN_TIMEOUT_MS,
    );
    if (this.#state === 'closed') {
      channel.close();
      throw new SignalingError('closed', 'left while joining', true);
    }
    channel.on('message', (message) => this.#receive(channel, message));
    channel.send({
      type: 'JOIN_ROOM',
      roomId: this.roomId,
      userId: this.userId,
      isSpectator,
      ...(token !== undefined && { token }),
    });
    return channel;
  }

  /**
   * Joins, negotiates, and puts the new connection into the place of an old one. With `kept`, the media goes on as it is,
   * with a new path: throws if the server has another session by now.
   */
  async #enter(kept: SlotConnection | null = null): Promise<void> {
    const channel = await this.#open(false);
    try {
      this.#channel?.close();
      this.#channel = channel;
      const { participants, session, iceServers } = await joined(channel);
      if (kept === null || kept !== this.#media) this.#closeMedia();
      this.#participants.clear();
      for (const participant of participants) this.#participants.set(participant.userId, participant);
      if (session !== null) this.emit('session', session);
      const answer = answered(channel);
      // Negotiation may fail first; the failure of this wait is then told by that.
      answer.catch((): void => undefined);
      const servers = [...iceServers, ...(this.#options.iceServers ?? [])];
      if (this.#media === null) await this.#negotiate(servers);
      else await this.#media.resume(servers);
      if (!this.#media?.isContinuedBy(await answer)) throw new MediaLost('another session');
      // Whoever came while we were away needs slots too.
      if (kept !== null) await kept.growTo(this.#participants.size);
    } catch (error) {
      channel.close();
      if (this.#channel === channel) this.#channel = null;
      throw error;
    }
    channel.on('lost', (error) => this.#recover(error));
    this.wishes.begin();
  }

  async #negotiate(iceServers: RTCIceServer[]): Promise<void> {
    const media = new SlotConnection({
      createPeerConnection:
        this.#options.createPeerConnection ?? ((options) => new RTCPeerConnection(options)),
      iceServers,
      simulcast: this.#options.simulcast ?? true,
      slotPairs: Math.min(Math.max(this.#options.slotPairs ?? 4, this.#participants.size), MAX_SLOT_PAIRS),
      sendOffer: (sdp) => this.#channel?.send({ type: 'OFFER', sdp }),
      sendCandidate: (candidate) => this.#channel?.send({ type: 'ICE_CANDIDATE', candidate }),
    });
    this.#media = media;
    media.on('stream', ({ userId, stream }) => this.#welcome(userId, stream));
    media.on('streamRemoved', ({ userId }) => {
      this.#remoteStreams.delete(userId);
      this.emit('streamRemoved', { userId });
    });
    media.on('state', (state) => this.#followMedia(media, state));
    // If the server answers, a new path is under way; if not, it is out of reach altogether.
    media.on('silent', () => restarted(this.#channel, media).catch(() => this.#recover(null, false)));
    const tracks = new Map<TrackKind, MediaStreamTrack | null>();
    for (const kind of ['audio', 'video'] as const) {
      if (this.#cameraTrack(kind) !== null) tracks.set(kind, this.#ownTrack(kind));
    }
    await media.start(this.camera.stream, tracks);
  }

  #receive(channel: SignalingChannel, message: ServerMessage): void {
    if (this.#channel !== null && channel !== this.#channel) return;
    switch (message.type) {
      case 'ANSWER':
        this.#media?.acceptAnswer(message.sdp).catch(() => this.#recover(null));
        break;
      case 'ICE_CANDIDATE':
        // A path that cannot be used is no failure: others are tried.
        this.#media?.addCandidate(message.candidate).catch((): void => undefined);
        break;
      case 'TRACKS':
        this.#media?.assign(message.slots);
        this.emit('tracks', message.slots);
        break;
      case 'PARTICIPANT_JOINED': {
        const { userId, role, displayName } = message;
        this.#participants.set(userId, { userId, role, displayName });
        this.#media?.growTo(this.#participants.size).catch(() => this.#recover(null));
        this.emit('participantJoined', message);
        break;
      }
      case 'PARTICIPANT_LEFT':
        this.#participants.delete(message.userId);
        this.emit('participantLeft', message);
        break;
      case 'TERMINATE_CALL':
        this.handleTermination({ reason: message.reason, redirectUrl: message.redirectUrl });
        break;
      default:
        this.#tell(message);
    }
  }

  #tell(message: ServerMessage): void {
    if (message.type === 'SESSION') this.emit('session', message);
    else if (message.type === 'LOW_BALANCE') this.emit('lowBalance', message);
    else if (message.type === 'SPEAKER') this.emit('speaker', { userId: message.userId });
    else if (message.type === 'STATS') this.emit('stats', message);
    else if (message.type === 'CHAT') this.emit('chat', message);
    else if (message.type === 'TIP') this.emit('tip', message);
    else if (message.type === 'SCORE') this.emit('score', message);
    else if (message.type === 'SPECTATOR_URL') this.emit('spectatorUrl', message);
    else if (message.type === 'ERROR') this.emit('refused', message);
  }

  #welcome(userId: string, stream: MediaStream): void {
    this.#remoteStreams.set(userId, stream);
    this.handleRemoteStream(stream, userId);
    this.#onRemoteStream(stream, userId);
  }

  #cameraTrack(kind: TrackKind): MediaStreamTrack | null {
    return this.camera.stream?.getTracks().find((track) => track.kind === kind) ?? null;
  }

  #ownTrack(kind: TrackKind): MediaStreamTrack | null {
    return this.#muted.has(kind) ? null : this.#cameraTrack(kind);
  }

  /** After a camera flip the new tracks are sent in the place of the old ones. */
  #followCamera(): void {
    for (const kind of ['audio', 'video'] as const) {
      // A sender that is being closed refuses; the camera it should carry is of no matter then.
      this.#media?.replaceTrack(kind, this.#ownTrack(kind)).catch((): void => undefined);
    }
  }

  #followMedia(media: SlotConnection, state: RTCPeerConnectionState): void {
    if (media !== this.#media) return;
    if (state === 'connected' && this.#channel !== null) {
      this.#endRecovery();
      this.#setState('connected');
    } else if (state === 'failed') {
      this.#recover(null);
    } else if (state === 'disconnected' && this.#patience === null) {
      this.#patience = setTimeout(() => this.#recover(null), DISCONNECTED_PATIENCE_MS);
    }
  }

  /**
   * Starts mending what was lost, unless that is under way, hopeless, or not wanted any more. `loss` is the
   * signaling's; null when the media alone is in trouble. `stands`: the signaling may be there.
   */
  #recover(loss: SignalingError | null, stands = true): void {
    if (this.#state === 'closed' || this.#state === 'idle') return;
    if (loss !== null) this.#channel = null;
    if (loss?.final) {
      this.#giveUp(loss);
      return;
    }
    if (this.#recovery !== null) {
      if (loss !== null) this.#recovery.skipRestart();
      return;
    }
    this.#setState('reconnecting');
    const recovery = new Recovery(
      {
        restart: () => this.#goOn((media) => restarted(this.#channel, media)),
        resume: () => this.#goOn((media) => this.#enter(media)),
        rejoin: () => this.#enter(),
      },
      stands && loss === null && this.#channel !== null,
    );
    this.#recovery = recovery;
    recovery.run().then((outcome) => {
      if (this.#recovery !== recovery || outcome === 'mended') return;
      this.#giveUp(outcome === 'refused' ? recovery.refusal : null);
    });
  }

  /** Finds a new path for the media that is there. */
  async #goOn(reach: (media: SlotConnection) => Promise<void>): Promise<void> {
    const media = this.#media;
    if (media === null) throw new MediaLost('there is none');
    if (!(await media.findsPath(() => reach(media)))) throw new MediaLost('no path');
    if (media === this.#media) this.#followMedia(media, 'connected');
  }

  /** There is no way back: the call is over if the room is, or if the network was away for too long. */
  #giveUp(refusal: SignalingError | null): void {
    if (refusal === null || refusal.code === 'room_ended') {
      this.handleTermination({ reason: 'CONNECTION_LOST', redirectUrl: '/models' });
      return;
    }
    this.close();
    this.emit('lost', refusal);
  }

  #endRecovery(): void {
    if (this.#patience !== null) clearTimeout(this.#patience);
    this.#patience = null;
    this.#recovery?.stop();
    this.#recovery = null;
  }

  #closeMedia(): void {
    const media = this.#media;
    this.#media = null;
    media?.close();
    this.#remoteStreams.clear();
  }

  #setState(state: ConnectionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit('connection', state);
  }
}
