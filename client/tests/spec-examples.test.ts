import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeDevices } from './fakes/FakeDevices';
import { FakePeer, FakeStream } from './fakes/FakePeer';
import { FakeSocket } from './fakes/FakeSocket';

/** The spec's usage examples (`spec-examples/*.ts`, word for word) run against a browser and a server of fakes. */

const devices = new FakeDevices();
/** Type-checked by a configuration of their own (`spec-examples/tsconfig.json`), so not named to this one. */
const examples = import.meta.glob('./spec-examples/*.ts');

async function run(example: string): Promise<void> {
  const load = examples[`./spec-examples/${example}.ts`];
  if (load === undefined) throw new Error(`there is no example ${example}`);
  await load();
}

/** A server that lets everybody in. */
class WelcomingSocket extends FakeSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 3;
  static readonly opened: WelcomingSocket[] = [];

  constructor(url: string) {
    super(url);
    WelcomingSocket.opened.push(this);
    // As in a browser, what the network brings is a task of its own.
    setTimeout(() => this.open());
  }

  override send(frame: string): void {
    super.send(frame);
    const message = JSON.parse(frame);
    if (message.type === 'JOIN_ROOM') setTimeout(() => this.#admit(message));
    if (message.type === 'OFFER') setTimeout(() => this.receive({ type: 'ANSWER', sdp: 'answer' }));
  }

  #admit({ roomId, userId, isSpectator }: { roomId: string; userId: string; isSpectator: boolean }): void {
    if (isSpectator) {
      this.receive({ type: 'SPECTATOR_URL', streamUrl: 'https://cdn.example.org/live/room-123/master.m3u8' });
    } else {
      this.receive({ type: 'JOINED', roomId, userId, role: 'participant', participants: [], iceServers: [] });
    }
  }
}

beforeEach(() => {
  vi.stubGlobal('MediaStream', FakeStream);
  vi.stubGlobal('WebSocket', WelcomingSocket);
  vi.stubGlobal('RTCPeerConnection', FakePeer);
  vi.stubGlobal('navigator', { mediaDevices: devices.asMediaDevices() });
  vi.spyOn(HTMLMediaElement.prototype, 'play').mockImplementation(function (this: HTMLMediaElement) {
    this.dispatchEvent(new Event('loadeddata'));
    return Promise.resolve();
  });
  vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(null);
  vi.spyOn(HTMLCanvasElement.prototype, 'toBlob').mockImplementation((callback, type) =>
    callback(new Blob([], { type: type ?? '' })),
  );
  document.body.innerHTML =
    '<div id="video-grid"></div><video id="remote-video"></video><audio id="remote-audio"></audio>';
  WelcomingSocket.opened.length = 0;
});

describe('the usage examples of the spec run as they are written', () => {
  it('Camera Service', async () => {
    await run('camera-service');
    expect(
      devices.streams.flatMap((stream) => stream.getTracks()).map(({ readyState }) => readyState),
    ).not.toContain('live');
  });

  it('SFU Client', async () => {
    await run('sfu-client');
    expect(WelcomingSocket.opened.map((socket) => socket.sentOf('JOIN_ROOM')[0])).toEqual([
      { type: 'JOIN_ROOM', roomId: 'room-123', userId: 'user-456', isSpectator: false },
      { type: 'JOIN_ROOM', roomId: 'room-123', userId: 'user-456', isSpectator: true },
    ]);
  });

  it('Private Call Client', async () => {
    await run('private-call-client');
    expect(WelcomingSocket.opened[0]?.sentOf('OFFER')).toHaveLength(1);
  });
});
