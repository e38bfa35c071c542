import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Api } from '@/api/Api';
import type { Conference } from '@/api/schemas';
import { ConferenceController } from '@/app/conference/ConferenceController';
import { LOOK_MS } from '@/services/QualityWatch';
import { DEBOUNCE_MS } from '@/services/VisibilityWishes';
import { FakeObservers } from '../fakes/FakeObservers';
import type { FakeSocket } from '../fakes/FakeSocket';
import { Browser, settled } from '../fakes/room';

const CONFERENCE: Conference = {
  roomId: 'room-123',
  kind: 'conference',
  title: 'Rehearsal',
  hostId: 'mia',
  hostName: 'Mia',
  participants: [],
};

let browser: Browser;
let observers: FakeObservers;
let controller: ConferenceController;

beforeEach(() => {
  vi.useFakeTimers();
  browser = new Browser();
  observers = new FakeObservers();
  const { sockets, peers, devices } = browser;
  vi.stubGlobal('navigator', { mediaDevices: devices.asMediaDevices() });
  vi.stubGlobal(
    'WebSocket',
    Object.assign(
      function (this: unknown, url: string) {
        return sockets.create(url);
      },
      { CONNECTING: 0, OPEN: 1, CLOSED: 3 },
    ),
  );
  vi.stubGlobal('RTCPeerConnection', function (this: unknown, configuration: RTCConfiguration) {
    return peers.create(configuration);
  });
  const api = { joinToken: async () => 'token' } as unknown as Api;
  controller = new ConferenceController({ api, conference: CONFERENCE, myId: 'leo' });
});

afterEach(() => {
  controller.dispose();
  vi.useRealTimers();
});

async function live(): Promise<FakeSocket> {
  const joined = controller.join();
  const socket = await browser.admit([{ userId: 'mia' }, { userId: 'juno' }]);
  await joined;
  browser.peers.last.becomes('connected');
  return socket;
}

/** Puts Mia on the first two slots. */
function present(socket: FakeSocket, further: object = {}): void {
  const { slots } = browser.peers.last;
  const on = (kind: string) => ({
    mid: slots.find((slot) => slot.kind === kind)?.mid ?? '',
    kind,
    userId: 'mia',
    source: kind === 'video' ? 'camera' : 'microphone',
    ...(kind === 'video' && further),
  });
  socket.receive({ type: 'TRACKS', slots: [on('audio'), on('video')] });
}

/** So many packets have come for each of Mia's tracks. */
function received(packets: { audio: number; video: number }): void {
  const peer = browser.peers.last;
  for (const kind of ['audio', 'video'] as const) {
    peer.stats.set(kind, {
      type: 'inbound-rtp',
      kind,
      trackIdentifier: peer.slots.find((slot) => slot.kind === kind)?.receiver.track.id,
      packetsReceived: packets[kind],
    });
  }
}

it('sends the camera in three sizes, and shows who is there', async () => {
  await live();
  const camera = browser.peers.last.sending.find(({ kind }) => kind === 'video');
  expect(camera?.encodings.map(({ rid, scaleResolutionDownBy }) => [rid, scaleResolutionDownBy])).toEqual([
    ['l', 3],
    ['m', 1.5],
    ['h', 1],
  ]);
  expect(controller.snapshot().people).toEqual([
    { userId: 'mia', name: 'mia' },
    { userId: 'juno', name: 'juno' },
  ]);
});

it('follows who comes and goes', async () => {
  const socket = await live();
  socket.receive({ type: 'PARTICIPANT_JOINED', userId: 'ada', role: 'participant', displayName: 'Ada' });
  socket.receive({ type: 'PARTICIPANT_LEFT', userId: 'juno', reason: 'LEFT' });
  expect(controller.snapshot().people.map(({ name }) => name)).toEqual(['mia', 'Ada']);
});

it('keeps microphone and camera muted that were muted at the door', async () => {
  await controller.media.start();
  await controller.media.toggle('audio');
  await live();
  const sending = browser.peers.last.sending;
  expect(sending.find(({ kind }) => kind === 'audio')?.sender.track).toBeNull();
  expect(sending.find(({ kind }) => kind === 'video')?.sender.track).not.toBeNull();
});

it('tells from the packets who is muted', async () => {
  const socket = await live();
  present(socket);
  received({ audio: 0, video: 0 });
  await vi.advanceTimersByTimeAsync(LOOK_MS);
  received({ audio: 50, video: 100 });
  await vi.advanceTimersByTimeAsync(LOOK_MS);
  expect(controller.snapshot().presences.get('mia')).toEqual({
    micOff: false,
    cameraOff: false,
    paused: null,
  });
  for (const video of [200, 300, 400]) {
    received({ audio: 50, video });
    await vi.advanceTimersByTimeAsync(LOOK_MS);
  }
  expect(controller.snapshot().presences.get('mia')).toMatchObject({ micOff: true, cameraOff: false });
  expect(controller.snapshot().quality?.grade).toBe('good');
});

it('shows who speaks, as the server says, and who of the others did last', async () => {
  const socket = await live();
  for (const [userId, spokeLast] of [
    ['mia', 'mia'],
    ['leo', 'mia'],
    ['juno', 'juno'],
    [null, 'juno'],
  ] as const) {
    socket.receive({ type: 'SPEAKER', userId });
    expect(controller.snapshot()).toMatchObject({ speaker: userId, spokeLast });
  }
});

it('reads the quality from what the server sees as well', async () => {
  const socket = await live();
  const flow = { rateBps: 500_000, lossPercent: 15, jitterMs: 3.5 };
  for (let second = 0; second < 4; second++) {
    socket.receive({ type: 'STATS', rttMs: 20.5, estimateBps: null, up: flow, down: flow, slots: [] });
    await vi.advanceTimersByTimeAsync(LOOK_MS);
  }
  expect(controller.snapshot().quality).toMatchObject({ grade: 'poor', lossPercent: 15, jitterMs: 3.5 });
});

it('shows why the server holds a picture back', async () => {
  const socket = await live();
  present(socket, { paused: 'bandwidth' });
  expect(controller.snapshot().presences.get('mia')?.paused).toBe('bandwidth');
  present(socket, { height: 480 });
  expect(controller.snapshot().presences.get('mia')?.paused).toBeNull();
});

it('tells the server how large somebody is shown', async () => {
  const socket = await live();
  const tile = document.createElement('div');
  controller.watch(tile, 'mia');
  observers.shows(tile, 320, 180);
  await vi.advanceTimersByTimeAsync(DEBOUNCE_MS);
  expect(socket.sentOf('SET_SUBSCRIPTION')).toEqual([
    { type: 'SET_SUBSCRIPTION', userId: 'mia', maxHeight: 240, priority: 0 },
  ]);
});

it('keeps what was written, with the name of whoever wrote it', async () => {
  const socket = await live();
  socket.receive({ type: 'CHAT', from: 'juno', text: 'hello' });
  socket.receive({ type: 'PARTICIPANT_LEFT', userId: 'juno', reason: 'LEFT' });
  socket.receive({ type: 'CHAT', from: 'juno', text: 'bye' });
  socket.receive({ type: 'CHAT', from: 'leo', text: 'oh' });
  expect(controller.snapshot().chat.map(({ from, mine }) => [from, mine])).toEqual([
    ['juno', false],
    ['juno', false],
    ['Somebody', true],
  ]);
  expect(controller.snapshot().unread).toBe(2);
  controller.markRead();
  expect(controller.snapshot().unread).toBe(0);
});

it('is over for somebody who is removed, camera and all', async () => {
  const socket = await live();
  socket.receive({ type: 'TERMINATE_CALL', reason: 'ADMIN_TERMINATED', redirectUrl: '/models' });
  expect(controller.snapshot()).toMatchObject({ ended: 'ADMIN_TERMINATED', localStream: null });
  expect(controller.snapshot().people).toEqual([]);
  expect(browser.devices.streams[0]?.getTracks().every(({ readyState }) => readyState === 'ended')).toBe(
    true,
  );
});

it('says why it could not join, and tries again', async () => {
  const joined = controller.join();
  await settled();
  browser.sockets.last.open();
  await settled();
  browser.sockets.last.receive({ type: 'ERROR', code: 'room_full', message: 'full' });
  browser.sockets.last.lose(4409);
  await joined;
  expect(controller.snapshot().failure).toMatchObject({ code: 'room_full' });
  await live();
  expect(controller.snapshot()).toMatchObject({ failure: null, connection: 'connected' });
});
