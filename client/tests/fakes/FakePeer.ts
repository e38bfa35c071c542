/** An RTCPeerConnection that only does what an offerer sees of it; a test tells it its state. */
export class FakePeer extends EventTarget {
  connectionState: RTCPeerConnectionState = 'new';
  signalingState: RTCSignalingState = 'stable';
  localDescription: { sdp: string } | null = null;
  remoteDescription: { sdp: string } | null = null;
  closed = false;
  restarts = 0;
  readonly transceivers: FakeTransceiver[] = [];
  /** What `getStats` reports, by id. */
  readonly stats = new Map<string, object>();
  #offers = 0;

  constructor(public configuration: RTCConfiguration) {
    super();
  }

  setConfiguration(configuration: RTCConfiguration): void {
    this.configuration = configuration;
  }

  addTransceiver(trackOrKind: MediaStreamTrack | string, init: RTCRtpTransceiverInit): FakeTransceiver {
    const transceiver = new FakeTransceiver(trackOrKind, init);
    this.transceivers.push(transceiver);
    return transceiver;
  }

  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }

  async setLocalDescription(): Promise<void> {
    this.#offers += 1;
    this.transceivers.forEach((transceiver, index) => {
      transceiver.mid = String(index);
    });
    this.localDescription = { sdp: `offer ${this.#offers}` };
    this.signalingState = 'have-local-offer';
  }

  async setRemoteDescription(description: { sdp: string }): Promise<void> {
    this.remoteDescription = description;
    this.signalingState = 'stable';
  }

  async addIceCandidate(): Promise<void> {}

  async getStats(): Promise<ReadonlyMap<string, object>> {
    return this.stats;
  }

  restartIce(): void {
    this.restarts += 1;
  }

  close(): void {
    this.closed = true;
  }

  /** A path was found and is used. */
  findsPath(id: string): void {
    this.stats.set(id, { id, type: 'candidate-pair', nominated: true, state: 'succeeded' });
  }

  becomes(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }

  /** The receive slots, in the order of their mids. */
  get slots(): FakeTransceiver[] {
    return this.transceivers.filter(({ direction }) => direction === 'recvonly');
  }

  get sending(): FakeTransceiver[] {
    return this.transceivers.filter(({ direction }) => direction === 'sendonly');
  }
}

export class FakeTransceiver {
  mid: string | null = null;
  readonly direction: string | undefined;
  readonly encodings: readonly RTCRtpEncodingParameters[];
  readonly kind: string;
  readonly receiver: { track: FakeTrack };
  readonly sender: {
    track: MediaStreamTrack | null;
    replaceTrack: (track: MediaStreamTrack | null) => Promise<void>;
  };

  constructor(trackOrKind: MediaStreamTrack | string, init: RTCRtpTransceiverInit) {
    this.direction = init.direction;
    this.encodings = init.sendEncodings ?? [];
    this.kind = typeof trackOrKind === 'string' ? trackOrKind : trackOrKind.kind;
    this.receiver = { track: new FakeTrack(this.kind) };
    const sender: FakeTransceiver['sender'] = {
      track: typeof trackOrKind === 'string' ? null : trackOrKind,
      replaceTrack: async (track) => {
        sender.track = track;
      },
    };
    this.sender = sender;
  }
}

let tracksMade = 0;

export class FakeTrack extends EventTarget {
  readonly id = `track-${++tracksMade}`;
  readyState: 'live' | 'ended' = 'live';

  constructor(readonly kind: string) {
    super();
  }

  stop(): void {
    this.readyState = 'ended';
  }
}

/** jsdom has no MediaStream: a set of tracks is all that is used of it. */
export class FakeStream {
  readonly #tracks: Set<FakeTrack>;

  constructor(tracks: Iterable<FakeTrack> = []) {
    this.#tracks = new Set(tracks);
  }

  getTracks(): FakeTrack[] {
    return [...this.#tracks];
  }

  getVideoTracks(): FakeTrack[] {
    return this.getTracks().filter(({ kind }) => kind === 'video');
  }

  getAudioTracks(): FakeTrack[] {
    return this.getTracks().filter(({ kind }) => kind === 'audio');
  }

  addTrack(track: FakeTrack): void {
    this.#tracks.add(track);
  }

  removeTrack(track: FakeTrack): void {
    this.#tracks.delete(track);
  }
}

export class FakePeers {
  readonly all: FakePeer[] = [];

  readonly create = (configuration: RTCConfiguration): RTCPeerConnection => {
    const peer = new FakePeer(configuration);
    this.all.push(peer);
    return peer as unknown as RTCPeerConnection;
  };

  get last(): FakePeer {
    const peer = this.all.at(-1);
    if (peer === undefined) throw new Error('no peer connection was made');
    return peer;
  }
}
