import type { ServerMessageOf } from '@/signaling/messages';
import { type SignalingChannel, SignalingError } from '@/signaling/SignalingChannel';
import type { SlotConnection } from './SlotConnection';

const ANSWER_TIMEOUT_MS = 8_000;
/** The server answers a restart within milliseconds: signaling that takes longer is gone. */
const RESTART_TIMEOUT_MS = 1_500;

/** What the server says to JOIN_ROOM. Throws `SignalingError`. */
export function joined(channel: SignalingChannel): Promise<ServerMessageOf<'JOINED'>> {
  return channel.expect((message) => (message.type === 'JOINED' ? message : null), ANSWER_TIMEOUT_MS);
}

/** The playlist of a room, for a spectator. Throws `SignalingError`. */
export async function playlist(channel: SignalingChannel): Promise<string> {
  const told = await channel.expect(
    (message) => (message.type === 'SPECTATOR_URL' ? message : null),
    ANSWER_TIMEOUT_MS,
  );
  return told.streamUrl;
}

/** The SDP that answers an offer. Throws `SignalingError`. */
export function answered(channel: SignalingChannel, timeoutMs = ANSWER_TIMEOUT_MS): Promise<string> {
  return channel.expect((message) => (message.type === 'ANSWER' ? message.sdp : null), timeoutMs);
}

/** Asks for a new path over signaling that stands. Throws `SignalingError` if nobody answers. */
export async function restarted(channel: SignalingChannel | null, media: SlotConnection): Promise<void> {
  if (channel === null) throw new SignalingError('closed', 'there is no signaling', false);
  const answer = answered(channel, RESTART_TIMEOUT_MS);
  // The offer may fail first.
  answer.catch((): void => undefined);
  await media.restartIce();
  await answer;
}
