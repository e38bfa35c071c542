import type { Api, NewTip } from '@/api/Api';
import type { Battle } from '@/api/schemas';
import { CameraService } from '@/services/CameraService';
import { SFUClient } from '@/services/SFUClient';
import type { ConnectionState } from '@/services/SFUTypes';
import { SignalingError } from '@/signaling/SignalingChannel';
import { NO_MEDIA, OwnMedia, type OwnMediaState } from '../call/OwnMedia';
import { SnapshotStore } from '../state/SnapshotStore';
import { isPlayer, namesIn } from './standings';

export interface TipLine {
  id: number;
  kind: 'tip';
  from: string;
  to: string;
  amountMinor: number;
  currency: string;
  text: string | null;
}

export interface ChatLine {
  id: number;
  kind: 'chat';
  from: string;
  text: string;
}

export type FeedLine = TipLine | ChatLine;

/** Everything that the page shows of a running battle. Replaced as a whole on every change. */
export interface BattleSnapshot extends OwnMediaState {
  connection: ConnectionState;
  /** Who is seen and heard, by user. */
  streams: ReadonlyMap<string, MediaStream>;
  names: ReadonlyMap<string, string>;
  scores: ReadonlyMap<string, number>;
  /** What was written and tipped, oldest first. */
  feed: readonly FeedLine[];
  /** The tip that is being celebrated; null when none is. */
  tip: TipLine | null;
  /** How often somebody came: whoever did may have paid into the pot. */
  arrivals: number;
  /** Why the battle is over; null while it goes on. */
  ended: string | null;
  /** The door is shut until the entry is paid. */
  entryRequired: boolean;
  failure: unknown;
}

/** Lines kept on the page. */
const MAX_LINES = 200;
/** How long a tip is celebrated. */
export const TIP_SHOWN_MS = 4_500;

/** One battle of one person: a player on stage, or somebody in the audience. */
export class BattleController extends SnapshotStore<BattleSnapshot> {
  readonly media: OwnMedia;
  readonly onStage: boolean;
  readonly #api: Api;
  readonly #client: SFUClient;
  readonly #roomId: string;
  #joining = false;
  #lines = 0;
  #celebration: ReturnType<typeof setTimeout> | null = null;

  constructor(options: { api: Api; battle: Battle; myId: string; myName: string }) {
    const { api, battle, myId, myName } = options;
    const names = new Map(namesIn(battle)).set(myId, myName);
    super({
      ...NO_MEDIA,
      connection: 'idle',
      streams: new Map(),
      names,
      scores: battle.scores,
      feed: [],
      tip: null,
      arrivals: 0,
      ended: null,
      entryRequired: false,
      failure: null,
    });
    this.#api = api;
    this.#roomId = battle.roomId;
    this.onStage = isPlayer(battle, myId);
    const camera = new CameraService();
    this.#client = new SFUClient(battle.roomId, myId, camera, {
      joinToken: () => api.joinToken(battle.roomId),
      cameraOptional: true,
      watchOnly: !this.onStage,
    });
    this.media = new OwnMedia(camera, this.#client, (change) => this.update(change));
    this.#listen();
  }

  /** Joins once; players with camera and microphone, or without if they cannot be had. */
  async join(): Promise<void> {
    if (this.#joining || this.disposed) return;
    this.#joining = true;
    this.update({ failure: null });
    try {
      if (this.onStage) await this.media.start();
      await this.#client.joinAsParticipant();
    } catch (error) {
      this.#refused(error);
    } finally {
      this.#joining = false;
    }
  }

  /** `element` shows this player from now on: the server is told how large. Returns the function that ends it. */
  readonly watch = (element: Element, userId: string): (() => void) =>
    this.#client.wishes.watch(element, userId);

  say(text: string): void {
    this.#client.sendChat(text);
  }

  async tip(tip: NewTip): Promise<void> {
    await this.#api.tip(this.#roomId, tip);
  }

  nameOf(userId: string): string {
    return this.snapshot().names.get(userId) ?? 'Somebody';
  }

  override dispose(): void {
    super.dispose();
    if (this.#celebration !== null) clearTimeout(this.#celebration);
    this.#client.leave();
    this.media.stop();
  }

  #listen(): void {
    const client = this.#client;
    client.on('connection', (connection) => this.update({ connection }));
    client.onRemoteStream = (stream, userId) => this.#seen(userId, stream);
    client.on('streamRemoved', ({ userId }) => this.#seen(userId, null));
    client.on('participantJoined', ({ userId, displayName }) => {
      const names =
        displayName === null ? this.snapshot().names : withEntry(this.snapshot().names, userId, displayName);
      this.update({ names, arrivals: this.snapshot().arrivals + 1 });
    });
    client.on('score', ({ scores }) => this.update({ scores }));
    client.on('chat', ({ from, text }) => this.#append({ id: this.#nextLine(), kind: 'chat', from, text }));
    client.on('tip', ({ from, to, amountMinor, currency, message }) =>
      this.#celebrate({ id: this.#nextLine(), kind: 'tip', from, to, amountMinor, currency, text: message }),
    );
    client.on('terminated', ({ reason }) => this.#end(reason));
    client.on('lost', (error) => this.#refused(error));
  }

  #seen(userId: string, stream: MediaStream | null): void {
    const streams = new Map(this.snapshot().streams);
    if (stream === null) streams.delete(userId);
    else streams.set(userId, stream);
    this.update({ streams });
  }

  #refused(error: unknown): void {
    if (this.snapshot().ended !== null) return;
    const code = error instanceof SignalingError ? error.code : null;
    if (code === 'entry_required') this.update({ entryRequired: true });
    else if (code === 'room_ended') this.#end('HOST_ENDED');
    else this.update({ failure: error });
  }

  #end(ended: string): void {
    this.update({ ended, streams: new Map(), tip: null });
  }

  #celebrate(tip: TipLine): void {
    this.#append(tip);
    this.update({ tip });
    if (this.#celebration !== null) clearTimeout(this.#celebration);
    this.#celebration = setTimeout(() => this.update({ tip: null }), TIP_SHOWN_MS);
  }

  #append(line: FeedLine): void {
    this.update({ feed: [...this.snapshot().feed, line].slice(-MAX_LINES) });
  }

  #nextLine(): number {
    this.#lines += 1;
    return this.#lines;
  }
}

function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value);
}
