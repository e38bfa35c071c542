import type { ServerMessageOf } from '@/signaling/messages';
import type { SignalingChannel } from '@/signaling/SignalingChannel';

const ANSWER_TIMEOUT_MS = 8_000;

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
export function answered(channel: SignalingChannel): Promise<string> {
  return channel.expect((message) => (message.type === 'ANSWER' ? message.sdp : null), ANSWER_TIMEOUT_MS);
}
