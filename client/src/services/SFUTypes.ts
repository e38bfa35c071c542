/** What an `SFUClient` is given, tells, and may be in. */
import type { PaidSession, Participant, ServerMessageOf, Slot } from '@/signaling/messages';
import type { SignalingError, SocketFactory } from '@/signaling/SignalingChannel';
import type { PeerConnectionFactory } from './SlotConnection';

export type ConnectionState = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'closed';
export type RemoteStreamHandler = (stream: MediaStream, userId: string) => void;

export interface Termination {
  /** `PAYMENT_FAILED`, `TIME_EXPIRED`, `HOST_ENDED`, ... (docs: signaling). */
  reason: string;
  redirectUrl: string | null;
}

export interface SFUClientOptions {
  /** Where to signal; the page's own server unless told otherwise. */
  signalingUrl?: string;
  /** Asks for a fresh join token before every joining; without it the session cookie speaks for the user. */
  joinToken?: () => Promise<string>;
  /** STUN and TURN servers besides those that the server names. */
  iceServers?: RTCIceServer[];
  /** Send three sizes of the camera. Default: yes; a private call has one receiver and sends one. */
  simulcast?: boolean;
  /** Participants received at once to begin with; grows with the room. Default: 4. */
  slotPairs?: number;
  /** Join even if there is no camera, to see and hear only. Default: false. */
  cameraOptional?: boolean;
  /** See and hear only: the camera is not asked for. Default: false. */
  watchOnly?: boolean;
  createSocket?: SocketFactory;
  createPeerConnection?: PeerConnectionFactory;
}

export interface SFUEvents {
  connection: ConnectionState;
  participantJoined: Participant;
  participantLeft: ServerMessageOf<'PARTICIPANT_LEFT'>;
  streamRemoved: { userId: string };
  /** Who is on which slot, the whole list each time. */
  tracks: readonly Slot[];
  /** Who speaks from now on; null: nobody. */
  speaker: { userId: string | null };
  /** What the server sees of this connection, about once a second. */
  stats: ServerMessageOf<'STATS'>;
  session: PaidSession;
  lowBalance: ServerMessageOf<'LOW_BALANCE'>;
  chat: ServerMessageOf<'CHAT'>;
  tip: ServerMessageOf<'TIP'>;
  score: ServerMessageOf<'SCORE'>;
  spectatorUrl: ServerMessageOf<'SPECTATOR_URL'>;
  /** The server refused something without ending the connection. */
  refused: ServerMessageOf<'ERROR'>;
  terminated: Termination;
  /** The connection is gone and the server will not have us back. */
  lost: SignalingError;
}
