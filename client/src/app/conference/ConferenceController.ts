import type { Api } from '@/api/Api';
import type { Conference } from '@/api/schemas';
import type { Reading } from '@/services/CallQuality';
import { CameraService } from '@/services/CameraService';
import { QualityWatch } from '@/services/QualityWatch';
import { SFUClient } from '@/services/SFUClient';
import type { ConnectionState } from '@/services/SFUTypes';
import type { Slot } from '@/signaling/messages';
import { SignalingError } from '@/signaling/SignalingChannel';
import type { ChatLine } from '../call/ChatDrawer';
import { NO_MEDIA, OwnMedia, type OwnMediaState } from '../call/OwnMedia';
import { SnapshotStore } from '../state/SnapshotStore';

/** Somebody else in the room. */
export interface Person {
  userId: string;
  name: string;
}

/** What is known of a person's media beyond the stream itself. */
export interface Presence {
  /** Nothing comes from the microphone. */
  micOff: boolean;
  /** Nothing comes from the camera. */
  cameraOff: boolean;
  /** Why the server holds the picture back; null while it does not. */
  paused: string | null;
}

/** Everything that the page shows of a conference. Replaced as a whole on every change. */
export interface ConferenceSnapshot extends OwnMediaState {
  connection: ConnectionState;
  people: readonly Person[];
  streams: ReadonlyMap<string, MediaStream>;
  presences: ReadonlyMap<string, Presence>;
  /** Who speaks, if anybody; oneself too. */
  speaker: string | null;
  /** Who of the others spoke last. */
  spokeLast: string | null;
  quality: Reading | null;
  chat: readonly ChatLine[];
  unread: number;
  /** Why one is in the room no more; null while one is. */
  ended: string | null;
  failure: unknown;
}

/** Chat lines kept on the page. */
const MAX_CHAT_LINES = 500;
/** A track that carried nothing for so many looks in a row is off. */
const LOOKS_TO_BE_OFF = 2;

/** One conference of one person, from the look in the mirror to the leaving. */
export class ConferenceController extends SnapshotStore<ConferenceSnapshot> {
  readonly media: OwnMedia;
  readonly #client: SFUClient;
  readonly #quality: QualityWatch;
  readonly #myId: string;
  /** Names outlive their people: what they wrote is still there. */
  readonly #names = new Map<string, string>();
  /** Looks in a row without a packet, by track. */
  readonly #quietLooks = new Map<string, number>();
  #slots: readonly Slot[] = [];
  #joining = false;
  #lines = 0;

  constructor(options: { api: Api; conference: Conference; myId: string }) {
    super({
      ...NO_MEDIA,
      connection: 'idle',
      people: [],
      streams: new Map(),
      presences: new Map(),
      speaker: null,
      spokeLast: null,
      quality: null,
      chat: [],
      unread: 0,
      ended: null,
      failure: null,
    });
    const { api, conference, myId } = options;
    this.#myId = myId;
    const camera = new CameraService();
    this.#client = new SFUClient(conference.roomId, myId, camera, {
      joinToken: () => api.joinToken(conference.roomId),
      cameraOptional: true,
    });
    this.#quality = new QualityWatch(
      () => this.#client.getStats(),
      (reading) => this.#look(reading),
    );
    this.media = new OwnMedia(camera, this.#client, (change) => this.update(change));
    this.#listen();
  }

  /** Joins once; without a camera one sees and hears only. */
  async join(): Promise<void> {
    if (this.#joining || this.disposed) return;
    this.#joining = true;
    this.update({ failure: null });
    try {
      await this.media.start();
      if (!this.disposed) await this.#client.joinAsParticipant();
    } catch (error) {
      this.#refused(error);
    } finally {
      this.#joining = false;
    }
  }

  /** `element` shows this person from now on: the server is told how large. Returns the function that ends it. */
  readonly watch = (element: Element, userId: string): (() => void) =>
    this.#client.wishes.watch(element, userId);

  say(text: string): void {
    this.#client.sendChat(text);
  }

  readonly markRead = (): void => {
    if (this.snapshot().unread > 0) this.update({ unread: 0 });
  };

  override dispose(): void {
    super.dispose();
    this.#quality.stop();
    this.#client.leave();
    this.media.stop();
  }

  #listen(): void {
    const client = this.#client;
    client.on('connection', (connection) => {
      if (connection === 'connected') this.#quality.start();
      else this.#quality.stop();
      this.update({ connection, ...(connection !== 'connected' && { quality: null, speaker: null }) });
      this.#count();
    });
    client.on('participantJoined', () => this.#count());
    client.on('participantLeft', () => this.#count());
    client.onRemoteStream = (stream, userId) => this.#seen(userId, stream);
    client.on('streamRemoved', ({ userId }) => this.#seen(userId, null));
    client.on('speaker', ({ userId: speaker }) =>
      this.update({ speaker, ...(speaker !== null && speaker !== this.#myId && { spokeLast: speaker }) }),
    );
    client.on('stats', (stats) => this.#quality.serverSees(stats));
    client.on('tracks', (slots) => {
      this.#slots = slots;
      this.#quality.slotsAre(slots);
      this.#describe();
    });
    client.on('chat', ({ from, text }) => this.#heard(from, text));
    client.on('terminated', ({ reason }) => this.#end(reason));
    client.on('lost', (error) => this.#refused(error));
  }

  #count(): void {
    const people = this.#client.participants.map(({ userId, displayName }) => ({
      userId,
      name: displayName ?? 'Somebody',
    }));
    for (const { userId, name } of people) this.#names.set(userId, name);
    this.update({ people });
  }

  #seen(userId: string, stream: MediaStream | null): void {
    const streams = new Map(this.snapshot().streams);
    if (stream === null) streams.delete(userId);
    else streams.set(userId, stream);
    this.update({ streams });
  }

  #heard(from: string, text: string): void {
    const mine = from === this.#myId;
    this.#lines += 1;
    const line = { id: this.#lines, mine, from: this.#names.get(from) ?? 'Somebody', text };
    const { chat, unread } = this.snapshot();
    this.update({ chat: [...chat, line].slice(-MAX_CHAT_LINES), unread: mine ? unread : unread + 1 });
  }

  /** Who is quiet, who is dark: from which tracks packets came in the last second. */
  #look(reading: Reading): void {
    const owners = new Map<string, string>();
    for (const [userId, stream] of this.snapshot().streams) {
      for (const { id } of stream.getTracks()) owners.set(id, userId);
    }
    for (const id of this.#quietLooks.keys()) {
      if (!owners.has(id)) this.#quietLooks.delete(id);
    }
    for (const id of owners.keys()) {
      this.#quietLooks.set(id, reading.flowing.has(id) ? 0 : (this.#quietLooks.get(id) ?? 0) + 1);
    }
    this.update({ quality: reading });
    this.#describe();
  }

  #describe(): void {
    const presences = new Map<string, Presence>();
    for (const [userId, stream] of this.snapshot().streams) {
      const isOff = (tracks: readonly MediaStreamTrack[]) =>
        tracks.every(({ id }) => (this.#quietLooks.get(id) ?? 0) >= LOOKS_TO_BE_OFF);
      const paused =
        this.#slots.find((slot) => slot.userId === userId && slot.kind === 'video')?.paused ?? null;
      presences.set(userId, {
        micOff: isOff(stream.getAudioTracks()),
        cameraOff: isOff(stream.getVideoTracks()),
        paused,
      });
    }
    this.update({ presences });
  }

  #refused(error: unknown): void {
    if (this.snapshot().ended !== null) return;
    if (error instanceof SignalingError && error.code === 'room_ended') this.#end('HOST_ENDED');
    else this.update({ failure: error });
  }

  #end(ended: string): void {
    this.#quality.stop();
    this.update({ ended, streams: new Map(), people: [], speaker: null, quality: null });
  }
}
