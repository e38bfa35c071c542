import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Api } from '@/api/Api';
import type { Call } from '@/api/schemas';
import { CallController } from '@/app/call/CallController';
import { FakeStream } from '../fakes/FakePeer';
import type { FakeSocket } from '../fakes/FakeSocket';
import { Browser, settled } from '../fakes/room';

const CALL: Call = {
  callId: 'call-1',
  roomId: 'room-123',
  state: 'CONNECTING',
  pricePerMinuteMinor: 300,
  currency: 'EUR',
  minimumMs: 60_000,
  incrementMs: 1_000,
  fan: { userId: 'leo', displayName: 'Leo' },
  creator: { userId: 'mia', displayName: 'Mia' },
  endedReason: null,
  expiresAt: null,
};

const SESSION = {
  type: 'SESSION' as const,
  sessionId: 'call-1',
  state: 'ACTIVE',
  usedMs: 1_000,
  grantedMs: 60_000,
  paidUntil: '2026-01-01T00:00:00.000Z' as never,
  balanceMinor: 500,
};

let browser: Browser;
let controller: CallController;
const navigate = vi.fn();
const endCall = vi.fn(async () => CALL);

function controllerOf(call: Call): CallController {
  const api = { joinToken: async () => 'token', endCall } as unknown as Api;
  return new CallController({ api, call, myId: 'leo', navigate });
}

beforeEach(() => {
  vi.useFakeTimers();
  navigate.mockClear();
  endCall.mockClear();
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
  controller = controllerOf(CALL);
});

afterEach(() => {
  controller.dispose();
  vi.useRealTimers();
});

async function live(): Promise<FakeSocket> {
  const joined = controller.join();
  const socket = await browser.admit([{ userId: 'mia' }]);
  await joined;
  browser.peers.last.becomes('connected');
  return socket;
}

it('opens the camera once, however many ask for it', async () => {
  await Promise.all([controller.media.start(), controller.media.start()]);
  await live();
  expect(browser.devices.requests).toHaveLength(1);
  expect(controller.snapshot().cameraProblem).toBeNull();
});

it('shows a camera problem and still joins, to see and hear', async () => {
  browser.devices.refuse = () => 'NotAllowedError';
  await controller.media.start();
  expect(controller.snapshot().cameraProblem?.problem).toBe('permission-denied');
  await live();
  expect(controller.snapshot().connection).toBe('connected');
});

it('warns of a low balance until money comes', async () => {
  const socket = await live();
  socket.receive(SESSION);
  socket.receive({ type: 'LOW_BALANCE', secondsLeft: 10, topUpUrl: '/wallet' });
  expect(controller.snapshot().lowUntil).toBe(Date.now() + 10_000);
  socket.receive({ ...SESSION, balanceMinor: 450 });
  expect(controller.snapshot().lowUntil).not.toBeNull();
  socket.receive({ ...SESSION, balanceMinor: 2_450 });
  expect(controller.snapshot().lowUntil).toBeNull();
});

it('stops the meter where it is while the network is gone', async () => {
  const socket = await live();
  socket.receive(SESSION);
  await vi.advanceTimersByTimeAsync(3_000);
  socket.lose();
  expect(controller.snapshot()).toMatchObject({
    connection: 'reconnecting',
    session: { usedMs: 4_000, paidUntil: null },
  });
});

it('says that the picture is held back for as long as it is', async () => {
  const socket = await live();
  const slot = { mid: '3', kind: 'video', userId: 'mia', source: 'camera', height: null };
  socket.receive({ type: 'TRACKS', slots: [{ ...slot, paused: 'bandwidth' }] });
  expect(controller.snapshot().heldBack).toBe(true);
  socket.receive({ type: 'TRACKS', slots: [{ ...slot, height: 480, paused: null }] });
  expect(controller.snapshot().heldBack).toBe(false);
});

it('counts what was written while nobody looked', async () => {
  const socket = await live();
  socket.receive({ type: 'CHAT', from: 'mia', text: 'hello' });
  socket.receive({ type: 'CHAT', from: 'leo', text: 'hi' });
  expect(controller.snapshot().chat.map(({ mine, text }) => [mine, text])).toEqual([
    [false, 'hello'],
    [true, 'hi'],
  ]);
  expect(controller.snapshot().unread).toBe(1);
  controller.markRead();
  expect(controller.snapshot().unread).toBe(0);
});

it('tells why the server ended the call, and goes where it says', async () => {
  const socket = await live();
  socket.receive({ type: 'TERMINATE_CALL', reason: 'PAYMENT_FAILED', redirectUrl: '/models' });
  expect(controller.snapshot().ending).toBe('Your private call has ended. Reason: PAYMENT FAILED');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(navigate).toHaveBeenCalledExactlyOnceWith('/models');
});

it('says that the call goes on elsewhere when another window took it over', async () => {
  const socket = await live();
  socket.receive({ type: 'TERMINATE_CALL', reason: 'REPLACED', redirectUrl: null });
  expect(controller.snapshot().ending).toBe('This call goes on in another window.');
});

it('hangs up: silent at once, settled by the server, then back to the models', async () => {
  const socket = await live();
  const hungUp = controller.hangUp();
  expect(browser.peers.last.closed).toBe(true);
  expect(socket.sent.at(-1)).toEqual({ type: 'LEAVE_ROOM' });
  expect(controller.snapshot().localStream).toBeNull();
  await hungUp;
  expect(endCall).toHaveBeenCalledWith('call-1');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(navigate).toHaveBeenCalledWith('/models');
});

it('leads nowhere once its page was left', async () => {
  const socket = await live();
  socket.receive({ type: 'TERMINATE_CALL', reason: 'TIME_EXPIRED', redirectUrl: '/models' });
  controller.dispose();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(navigate).not.toHaveBeenCalled();
});

it('stops ringing for a fan who leaves the page', async () => {
  const ringing = controllerOf({ ...CALL, state: 'REQUESTED' });
  ringing.dispose();
  await settled();
  expect(endCall).toHaveBeenCalledTimes(1);
});
