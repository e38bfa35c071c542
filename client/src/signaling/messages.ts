/**
 * The messages of `/api/rtc/signaling` and `/api/events`, as docs and server name them.
 *
 * Incoming ones are checked field by field. A type that is not known here is skipped, so that the server
 * may learn new ones first; a known type with a broken body throws `DecodeError`.
 */
import {
  type Decoded,
  type Decoder,
  flag,
  instant,
  integer,
  listOf,
  mapOf,
  nullable,
  number,
  object,
  record,
  text,
  withDefault,
} from '@/wire/decode';

const participant = object({ userId: text, role: text, displayName: nullable(text) });

/** An RTCIceServer; `urls` may be one text or several. */
const iceServer: Decoder<RTCIceServer> = (value, path) => {
  const source = record(value, path);
  const urls = Array.isArray(source.urls)
    ? listOf(text)(source.urls, `${path}.urls`)
    : text(source.urls, `${path}.urls`);
  const username = nullable(text)(source.username, `${path}.username`);
  const credential = nullable(text)(source.credential, `${path}.credential`);
  return { urls, ...(username !== null && { username }), ...(credential !== null && { credential }) };
};

const candidate: Decoder<RTCIceCandidateInit> = (value, path) => {
  const source = record(value, path);
  const sdpMid = nullable(text)(source.sdpMid, `${path}.sdpMid`);
  const sdpMLineIndex = nullable(integer)(source.sdpMLineIndex, `${path}.sdpMLineIndex`);
  return { candidate: text(source.candidate, `${path}.candidate`), sdpMid, sdpMLineIndex };
};

/** Why a track stands still; null while it flows. Servers that do not say why say so with `true`. */
const pause: Decoder<string | null> = (value) =>
  typeof value === 'string' ? value : value === true ? 'paused' : null;

const slot = object({
  mid: text,
  kind: text,
  userId: nullable(text),
  source: nullable(text),
  /** Lines of the picture that is sent. */
  height: nullable(integer),
  paused: pause,
});

/** Everything that goes one way. */
const flow = object({ rateBps: integer, lossPercent: nullable(number), jitterMs: nullable(number) });

/** One slot that carries video. Freezes and their length are counted since the beginning. */
const slotStats = object({
  mid: text,
  height: nullable(integer),
  rateBps: integer,
  freezes: integer,
  frozenMs: number,
});

/** The paid session as its seat may see it: the payer is told prices and balance, the creator what was earned. */
const session = object({
  sessionId: text,
  state: text,
  usedMs: integer,
  grantedMs: nullable(integer),
  includedMs: withDefault(integer, 0),
  paidUntil: nullable(instant),
  pricePerMinuteMinor: nullable(integer),
  currency: nullable(text),
  balanceMinor: nullable(integer),
  earnedMinor: nullable(integer),
});

const signalingDecoders = {
  JOINED: object({
    roomId: text,
    userId: text,
    role: text,
    participants: listOf(participant),
    iceServers: listOf(iceServer),
    session: nullable(session),
  }),
  SPECTATOR_URL: object({
    streamUrl: text,
    dashUrl: nullable(text),
    tier: nullable(text),
    expiresAt: nullable(instant),
  }),
  ANSWER: object({ sdp: text }),
  ICE_CANDIDATE: object({ candidate: nullable(candidate) }),
  TRACKS: object({ slots: listOf(slot) }),
  SPEAKER: object({ userId: nullable(text) }),
  STATS: object({
    rttMs: nullable(number),
    estimateBps: nullable(integer),
    up: flow,
    down: flow,
    slots: listOf(slotStats),
  }),
  PARTICIPANT_JOINED: participant,
  PARTICIPANT_LEFT: object({ userId: text, reason: nullable(text) }),
  SESSION: session,
  LOW_BALANCE: object({ secondsLeft: integer, topUpUrl: nullable(text) }),
  TIP: object({ from: text, to: text, amountMinor: integer, currency: text, message: nullable(text) }),
  SCORE: object({ scores: mapOf(integer) }),
  CHAT: object({ from: text, text }),
  TERMINATE_CALL: object({ reason: text, redirectUrl: nullable(text) }),
  ERROR: object({ code: text, message: nullable(text), retryAfterMs: nullable(integer) }),
};

const eventDecoders = {
  CALL_REQUESTED: object({
    callId: text,
    fan: object({ userId: text, displayName: nullable(text) }),
    pricePerMinuteMinor: nullable(integer),
    currency: nullable(text),
    expiresAt: nullable(instant),
  }),
  CALL_STATE: object({ callId: text, state: text }),
  WALLET: object({ currency: text, balanceMinor: integer, heldMinor: integer, availableMinor: integer }),
  PRESENCE: object({ modelId: text, online: flag }),
  ERROR: object({ code: text, message: nullable(text), retryAfterMs: nullable(integer) }),
};

type Messages<D> = { [T in keyof D]: { type: T } & Decoded<D[T]> }[keyof D];

export type ServerMessage = Messages<typeof signalingDecoders>;
export type ServerMessageOf<T extends ServerMessage['type']> = Extract<ServerMessage, { type: T }>;
export type ServerEvent = Messages<typeof eventDecoders>;
export type ServerEventOf<T extends ServerEvent['type']> = Extract<ServerEvent, { type: T }>;

export type Participant = Decoded<typeof participant>;
export type PaidSession = Decoded<typeof session>;
export type Slot = ServerMessageOf<'TRACKS'>['slots'][number];

export type ClientMessage =
  | { type: 'JOIN_ROOM'; roomId: string; userId: string; isSpectator: boolean; token?: string }
  | { type: 'OFFER'; sdp: string }
  | { type: 'ICE_CANDIDATE'; candidate: RTCIceCandidateInit | null }
  | { type: 'SET_SUBSCRIPTION'; userId: string; maxHeight: number; priority: number }
  | { type: 'CHAT'; text: string }
  | { type: 'LEAVE_ROOM' };

export type EventsCommand = { type: 'SET_PRESENCE'; online: boolean };

/** Longest frame taken from the server: one long text and some. */
const MAX_FRAME_LENGTH = 512 * 1024;

function parse<D extends Record<string, Decoder<unknown>>>(decoders: D, frame: unknown): Messages<D> | null {
  if (typeof frame !== 'string' || frame.length > MAX_FRAME_LENGTH) return null;
  const body = record(JSON.parse(frame), '');
  const type = text(body.type, 'type');
  const decoder = Object.hasOwn(decoders, type) ? decoders[type] : undefined;
  if (decoder === undefined) return null;
  return { type, ...(decoder(body, type) as object) } as Messages<D>;
}

/** A frame of `/api/rtc/signaling`; null if its type is not known here. Throws on a broken frame. */
export function parseServerMessage(frame: unknown): ServerMessage | null {
  return parse(signalingDecoders, frame);
}

/** A frame of `/api/events`; null if its type is not known here. Throws on a broken frame. */
export function parseServerEvent(frame: unknown): ServerEvent | null {
  return parse(eventDecoders, frame);
}
