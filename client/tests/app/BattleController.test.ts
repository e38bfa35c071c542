import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Api } from '@/api/Api';
import type { Battle } from '@/api/schemas';
import { BattleController, TIP_SHOWN_MS } from '@/app/battle/BattleController';
import { FakeStream } from '../fakes/FakePeer';
import type { FakeSocket } from '../fakes/FakeSocket';
import { Browser, settled } from '../fakes/room';

const BATTLE: Battle = {
  roomId: 'room-123',
  kind: 'battle',
  title: 'Friday night',
  hostId: 'mia',
  hostName: 'Mia',
  entryFeeMinor: 500,
  hdPassMinor: null,
  currency: 'EUR',
  potMinor: 500,
  scores: new Map([['mia', 100]]),
  participants: [{ userId: 'juno', role: 'participant', displayName: 'Juno' }],
  players: ['juno'],
  playerNames: new Map([['juno', 'Juno']]),
  entered: true,
  hd: false,
};

let browser: Browser;
let controller: BattleController;
const tip = vi.fn(async () => ({ tipId: 't' }));

function controllerOf(myId: string): BattleController {
  const api = { joinToken: async () => 'token', tip } as unknown as Api;
  return new BattleController({ api, battle: BATTLE, myId, myName: 'Me' });
}

beforeEach(() => {
  vi.useFakeTimers();
  browser = new Browser();
  const { sockets, peers, devices } = browser;
  vi.stubGlobal('MediaStream', FakeStream);
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
  controller = controllerOf('leo');
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

it('the audience watches, and no camera is asked for', async () => {
  await live();
  expect(controller.onStage).toBe(false);
  expect(browser.devices.requests).toHaveLength(0);
  expect(browser.peers.last.sending).toHaveLength(0);
  expect(controller.snapshot().connection).toBe('connected');
});

it('a player is seen and heard', async () => {
  controller.dispose();
  controller = controllerOf('juno');
  await live();
  expect(controller.onStage).toBe(true);
  expect(browser.peers.last.sending).toHaveLength(2);
});

it('shows the players on their slots, and forgets who left', async () => {
  const socket = await live();
  const slot = (userId: string | null) => [{ mid: '0', kind: 'audio', userId, source: 'microphone' }];
  socket.receive({ type: 'TRACKS', slots: slot('mia') as never });
  expect([...controller.snapshot().streams.keys()]).toEqual(['mia']);
  socket.receive({ type: 'TRACKS', slots: slot(null) as never });
  expect(controller.snapshot().streams.size).toBe(0);
});

it('follows the scores', async () => {
  const socket = await live();
  expect(controller.snapshot().scores.get('mia')).toBe(100);
  socket.receive({ type: 'SCORE', scores: { mia: 100, juno: 250 } as never });
  expect(controller.snapshot().scores.get('juno')).toBe(250);
});

it('celebrates a tip for a while, and keeps it among what was said', async () => {
  const socket = await live();
  socket.receive({ type: 'PARTICIPANT_JOINED', userId: 'kit', role: 'participant', displayName: 'Kit' });
  socket.receive({ type: 'TIP', from: 'kit', to: 'juno', amountMinor: 250, currency: 'EUR', message: 'Go!' });
  expect(controller.snapshot().tip).toMatchObject({ amountMinor: 250, text: 'Go!' });
  expect(controller.nameOf('kit')).toBe('Kit');
  await vi.advanceTimersByTimeAsync(TIP_SHOWN_MS);
  expect(controller.snapshot().tip).toBeNull();
  socket.receive({ type: 'CHAT', from: 'mia', text: 'Thank you' });
  expect(controller.snapshot().feed.map(({ kind }) => kind)).toEqual(['tip', 'chat']);
});

it('a later tip is celebrated for its whole while', async () => {
  const socket = await live();
  const give = (amountMinor: number) =>
    socket.receive({ type: 'TIP', from: 'kit', to: 'mia', amountMinor, currency: 'EUR', message: null });
  give(100);
  await vi.advanceTimersByTimeAsync(TIP_SHOWN_MS - 500);
  give(200);
  await vi.advanceTimersByTimeAsync(TIP_SHOWN_MS - 500);
  expect(controller.snapshot().tip?.amountMinor).toBe(200);
});

it('whoever has no ticket is sent to the door', async () => {
  const joined = controller.join();
  await settled();
  const socket = browser.sockets.last;
  socket.open();
  await settled();
  socket.receive({ type: 'ERROR', code: 'entry_required', message: 'pay first' });
  socket.lose(4402);
  await joined;
  expect(controller.snapshot()).toMatchObject({ entryRequired: true, failure: null });
});

it('another refusal is shown, and joining can be tried again', async () => {
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

it('ends with its scores standing', async () => {
  const socket = await live();
  socket.receive({ type: 'SCORE', scores: { mia: 300 } as never });
  socket.receive({ type: 'TERMINATE_CALL', reason: 'HOST_ENDED', redirectUrl: '/models' });
  expect(controller.snapshot()).toMatchObject({ ended: 'HOST_ENDED', tip: null });
  expect(controller.snapshot().scores.get('mia')).toBe(300);
});

it('a tip goes to the room with what it says', async () => {
  await controller.tip({ to: 'mia', amountMinor: 500, currency: 'EUR', message: null });
  expect(tip).toHaveBeenCalledWith('room-123', {
    to: 'mia',
    amountMinor: 500,
    currency: 'EUR',
    message: null,
  });
});

it('nothing changes any more once the page is left', async () => {
  const socket = await live();
  controller.dispose();
  const before = controller.snapshot();
  socket.receive({ type: 'CHAT', from: 'mia', text: 'late' });
  expect(controller.snapshot()).toBe(before);
  expect(socket.sentOf('LEAVE_ROOM')).toHaveLength(1);
});
