import { vi } from 'vitest';
import { CameraService } from '@/services/CameraService';
import type { SFUClient, SFUClientOptions } from '@/services/SFUClient';
import { FakeDevices } from './FakeDevices';
import { FakePeers, FakeStream } from './FakePeer';
import { type FakeSocket, FakeSockets } from './FakeSocket';

/** Lets every promise that can go on go on. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve();
}

/** One user's browser: devices, sockets and peer connections that the test holds in its hands. */
export class Browser {
  readonly devices = new FakeDevices();
  readonly sockets = new FakeSockets();
  readonly peers = new FakePeers();
  readonly camera: CameraService;

  constructor() {
    vi.stubGlobal('MediaStream', FakeStream);
    this.camera = new CameraService({ mediaDevices: this.devices.asMediaDevices() });
  }

  get options(): SFUClientOptions {
    return { createSocket: this.sockets.create, createPeerConnection: this.peers.create };
  }

  /** Answers a joining as the server would; returns the socket of this connection. */
  async admit(
    participants: { userId: string }[] = [],
    further: object = {},
    answer = 'answer',
  ): Promise<FakeSocket> {
    await settled();
    const socket = this.sockets.last;
    socket.open();
    await settled();
    socket.receive({
      type: 'JOINED',
      roomId: 'room-123',
      userId: 'user-456',
      role: 'participant',
      participants: participants.map(({ userId }) => ({ userId, role: 'host', displayName: userId })),
      iceServers: [],
      ...further,
    });
    await settled();
    socket.receive({ type: 'ANSWER', sdp: answer });
    await settled();
    return socket;
  }

  /** Joins and is let in, with media flowing. */
  async join(client: SFUClient, participants: { userId: string }[] = []): Promise<FakeSocket> {
    const joined = client.joinAsParticipant();
    const socket = await this.admit(participants);
    await joined;
    this.peers.last.becomes('connected');
    return socket;
  }
}
