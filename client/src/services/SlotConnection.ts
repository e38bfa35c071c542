import { Emitter } from '@/events/Emitter';
import type { Slot } from '@/signaling/messages';
import { SilenceWatch } from './SilenceWatch';

export type PeerConnectionFactory = (configuration: RTCConfiguration) => RTCPeerConnection;
export type TrackKind = 'audio' | 'video';

export interface SlotConnectionOptions {
  createPeerConnection: PeerConnectionFactory;
  iceServers: RTCIceServer[];
  /** Send the camera in three sizes, so that each receiver gets the one that fits. */
  simulcast: boolean;
  /** How many participants can be received at once, to begin with. */
  slotPairs: number;
  sendOffer: (sdp: string) => void;
  sendCandidate: (candidate: RTCIceCandidateInit | null) => void;
}

interface SlotConnectionEvents {
  /** The first track of a user; further ones join the same stream. */
  stream: { userId: string; stream: MediaStream };
  /** A user is on no slot any more. */
  streamRemoved: { userId: string };
  state: RTCPeerConnectionState;
  /** Media came all the time, and comes no more. */
  silent: undefined;
}

/** 1280x720, 852x480 and 426x240 of a 720p camera: the rungs that the server serves. */
const SIMULCAST: readonly RTCRtpEncodingParameters[] = [
  { rid: 'l', scaleResolutionDownBy: 3, maxBitrate: 180_000 },
  { rid: 'm', scaleResolutionDownBy: 1.5, maxBitrate: 700_000 },
  { rid: 'h', scaleResolutionDownBy: 1, maxBitrate: 2_200_000 },
];
const SINGLE: readonly RTCRtpEncodingParameters[] = [{ maxBitrate: 2_200_000 }];

/** Everybody else in a room of 20; an offer of that many has some 50,000 of the 60,000 characters that the server takes. */
export const MAX_SLOT_PAIRS = 19;
/** Slots are added this many pairs at a time, so that a filling room is not negotiated at every joining. */
const GROWTH_PAIRS = 4;
const CONFIGURATION = { bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' } as const;
/** How often it is looked whether a new path carries, and how many times. */
const PATH_LOOK_MS = 200;
const MAX_PATH_LOOKS = 25;
/** What the SFU forwards; every further codec would only make offers longer. */
const CODECS: ReadonlySet<string> = new Set(['audio/opus', 'video/vp8', 'video/h264', 'video/rtx']);
/** Constrained baseline, packets of any size: the one H264 that every browser decodes. */
const H264_FOR_ALL = /(?=.*packetization-mode=1)(?=.*profile-level-id=42e01f)/i;

/**
 * One RTCPeerConnection to the SFU: own tracks are sent, and reusable receive slots carry whom the server puts
 * on them (`TRACKS`). We always offer, the server only answers, one offer at a time.
 */
export class SlotConnection extends Emitter<SlotConnectionEvents> {
  readonly #options: SlotConnectionOptions;
  readonly #peer: RTCPeerConnection;
  readonly #senders = new Map<TrackKind, RTCRtpSender>();
  readonly #streams = new Map<string, MediaStream>();
  readonly #watch = new SilenceWatch(
    () => this.getStats(),
    () => this.emit('silent', undefined),
  );
  #slots: readonly Slot[] = [];
  #slotPairs = 0;
  /** An offer waits for its answer; what else is wanted meanwhile goes into the next. */
  #offering = false;
  #offerAgain = false;
  #closed = false;

  constructor(options: SlotConnectionOptions) {
    super();
    this.#options = options;
    this.#peer = options.createPeerConnection({ ...CONFIGURATION, iceServers: options.iceServers });
    this.#peer.addEventListener('icecandidate', ({ candidate }) => {
      if (!this.#closed) options.sendCandidate(candidate?.toJSON() ?? null);
    });
    this.#peer.addEventListener('connectionstatechange', () => {
      if (!this.#closed) this.emit('state', this.#peer.connectionState);
    });
  }

  get state(): RTCPeerConnectionState {
    return this.#peer.connectionState;
  }

  /** Puts own tracks (null: not sent for now) and the first slots into the first offer. */
  async start(
    stream: MediaStream | null,
    tracks: ReadonlyMap<TrackKind, MediaStreamTrack | null>,
  ): Promise<void> {
    for (const [kind, track] of tracks) {
      const transceiver = this.#peer.addTransceiver(track ?? kind, {
        direction: 'sendonly',
        ...(stream !== null && { streams: [stream] }),
        ...(kind === 'video' && { sendEncodings: [...(this.#options.simulcast ? SIMULCAST : SINGLE)] }),
      });
      preferCodecs(transceiver, kind);
      this.#senders.set(kind, transceiver.sender);
    }
    this.#addSlots(this.#options.slotPairs);
    this.#watch.start();
    await this.#offer();
  }

  /** What is sent for this kind from now on; null sends nothing at all, not even black or silence. */
  async replaceTrack(kind: TrackKind, track: MediaStreamTrack | null): Promise<void> {
    await this.#senders.get(kind)?.replaceTrack(track);
  }

  /** Makes room for this many other participants, with a new offer if there is too little. */
  async growTo(participants: number): Promise<void> {
    if (participants <= this.#slotPairs) return;
    const wanted = Math.min(Math.ceil(participants / GROWTH_PAIRS) * GROWTH_PAIRS, MAX_SLOT_PAIRS);
    if (wanted <= this.#slotPairs) return;
    this.#addSlots(wanted - this.#slotPairs);
    await this.#offer();
  }

  /** Asks for a new network path (ICE restart); slots and tracks stay as they are. */
  async restartIce(): Promise<void> {
    this.#peer.restartIce();
    await this.#offer();
  }

  /**
   * Goes on with the same session over other signaling: what waited for an answer there is offered again, with a new
   * network path.
   */
  async resume(iceServers: RTCIceServer[]): Promise<void> {
    this.#peer.setConfiguration({ ...CONFIGURATION, iceServers });
    this.#offering = false;
    await this.restartIce();
  }

  /** Whether an answer comes from the session that this one is with: another would understand nothing of it. */
  isContinuedBy(sdp: string): boolean {
    const known = this.#peer.remoteDescription?.sdp;
    return known === undefined || sessionOf(known) === sessionOf(sdp);
  }

  /** Resolves with true once a path carries that was not there before `restart` was called, with false if none does. */
  async findsPath(restart: () => Promise<void>): Promise<boolean> {
    const before = new Set((await this.#paths()).map(({ id }) => id));
    await restart();
    for (let look = 0; look < MAX_PATH_LOOKS && !this.#closed; look++) {
      const paths = await this.#paths();
      if (paths.some(({ id, nominated, state }) => nominated && state === 'succeeded' && !before.has(id))) {
        return true;
      }
      await new Promise((resolve) => setTimeout(resolve, PATH_LOOK_MS));
    }
    return false;
  }

  async acceptAnswer(sdp: string): Promise<void> {
    if (this.#closed || this.#peer.signalingState !== 'have-local-offer') return;
    if (!this.isContinuedBy(sdp)) return;
    await this.#peer.setRemoteDescription({ type: 'answer', sdp });
    this.#offering = false;
    this.#applyTracks();
    if (this.#offerAgain) await this.#offer();
  }

  async addCandidate(candidate: RTCIceCandidateInit | null): Promise<void> {
    if (!this.#closed && this.#peer.remoteDescription !== null) await this.#peer.addIceCandidate(candidate);
  }

  /** The whole list of who is on which slot, as the server tells it each time. */
  assign(slots: readonly Slot[]): void {
    this.#slots = slots;
    this.#applyTracks();
  }

  getStats(): Promise<RTCStatsReport> {
    return this.#peer.getStats();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.stop();
    this.#peer.close();
    this.#slots = [];
    this.#applyTracks();
  }

  async #paths(): Promise<RTCIceCandidatePairStats[]> {
    const report = await this.#peer.getStats();
    const paths: RTCIceCandidatePairStats[] = [];
    report.forEach((entry) => {
      if (entry.type === 'candidate-pair') paths.push(entry);
    });
    return paths;
  }

  #addSlots(pairs: number): void {
    for (let pair = 0; pair < pairs; pair++) {
      for (const kind of ['audio', 'video'] as const) {
        preferCodecs(this.#peer.addTransceiver(kind, { direction: 'recvonly' }), kind);
      }
    }
    this.#slotPairs += pairs;
  }

  async #offer(): Promise<void> {
    if (this.#closed) return;
    if (this.#offering) {
      this.#offerAgain = true;
      return;
    }
    this.#offering = true;
    this.#offerAgain = false;
    await this.#peer.setLocalDescription();
    const sdp = this.#peer.localDescription?.sdp;
    if (sdp !== undefined && !this.#closed) this.#options.sendOffer(sdp);
  }

  /** Brings every user's stream in line with the slots. */
  #applyTracks(): void {
    const tracksByMid = new Map<string, MediaStreamTrack>();
    for (const { mid, receiver } of this.#peer.getTransceivers()) {
      if (mid !== null) tracksByMid.set(mid, receiver.track);
    }
    const wanted = new Map<string, Set<MediaStreamTrack>>();
    for (const { mid, userId } of this.#slots) {
      const track = tracksByMid.get(mid);
      if (userId === null || track === undefined) continue;
      wanted.set(userId, (wanted.get(userId) ?? new Set()).add(track));
    }
    for (const [userId, stream] of this.#streams) {
      const tracks = wanted.get(userId);
      for (const track of stream.getTracks()) {
        if (!tracks?.has(track)) stream.removeTrack(track);
      }
      if (tracks === undefined) {
        this.#streams.delete(userId);
        this.emit('streamRemoved', { userId });
      }
    }
    for (const [userId, tracks] of wanted) {
      const known = this.#streams.get(userId);
      const stream = known ?? new MediaStream();
      for (const track of tracks) stream.addTrack(track);
      if (known !== undefined) continue;
      this.#streams.set(userId, stream);
      this.emit('stream', { userId, stream });
    }
  }
}

function preferCodecs(transceiver: RTCRtpTransceiver, kind: TrackKind): void {
  const { codecs = [] } = globalThis.RTCRtpReceiver?.getCapabilities?.(kind) ?? {};
  const wanted = codecs.filter(
    ({ mimeType, sdpFmtpLine = '' }) =>
      CODECS.has(mimeType.toLowerCase()) && (mimeType !== 'video/H264' || H264_FOR_ALL.test(sdpFmtpLine)),
  );
  if (wanted.length > 0) transceiver.setCodecPreferences?.(wanted);
}

/** The session that a description is of: it stays the same as long as the session does (RFC 8866 section 5.2). */
function sessionOf(sdp: string): string | undefined {
  return /^o=\S+ (\S+)/m.exec(sdp)?.[1];
}
