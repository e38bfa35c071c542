import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { backoffMs } from '@/signaling/backoff';
import { EventsClient } from '@/signaling/EventsClient';
import type { ServerEvent } from '@/signaling/messages';
import { FakeSockets } from './fakes/FakeSocket';

let sockets: FakeSockets;
let events: EventsClient;
const onUnauthorized = vi.fn(() => Promise.resolve());

beforeEach(() => {
  vi.useFakeTimers();
  onUnauthorized.mockClear();
  sockets = new FakeSockets();
  events = new EventsClient('ws://localhost/api/events', { createSocket: sockets.create, onUnauthorized });
});

afterEach(() => {
  events.stop();
  vi.useRealTimers();
});

it('tells what the server tells, and skips what it cannot read', () => {
  const heard: ServerEvent[] = [];
  events.on('event', (event) => heard.push(event));
  events.start();
  sockets.last.open();
  sockets.last.receiveFrame('nonsense');
  sockets.last.receiveFrame(JSON.stringify({ type: 'PRESENCE', modelId: 'mia', online: true }));
  expect(heard).toEqual([{ type: 'PRESENCE', modelId: 'mia', online: true }]);
});

it('comes back after a loss, and says so, so that what was missed is asked for', async () => {
  const online: boolean[] = [];
  events.on('online', (standing) => online.push(standing));
  events.start();
  sockets.last.open();
  sockets.last.lose();
  await vi.advanceTimersByTimeAsync(1_000);
  sockets.last.open();
  expect(online).toEqual([true, false, true]);
});

it('is one connection, however often it is started', () => {
  events.start();
  events.start();
  expect(sockets.all).toHaveLength(1);
});

it('stays away once stopped', async () => {
  events.start();
  sockets.last.open();
  events.stop();
  sockets.last.lose();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sockets.all).toHaveLength(1);
});

it('renews the session when the server did not know it', () => {
  events.start();
  sockets.last.open();
  sockets.last.lose(4401);
  expect(onUnauthorized).toHaveBeenCalledTimes(1);
});

it('tries at once when the device is online again', () => {
  events.start();
  sockets.last.refuse();
  window.dispatchEvent(new Event('online'));
  expect(sockets.all).toHaveLength(2);
});

describe('the wait before reconnecting', () => {
  it('doubles, up to five seconds', () => {
    expect([0, 1, 2, 3, 4, 5, 100].map((attempt) => backoffMs(attempt, () => 1))).toEqual([
      250, 500, 1000, 2000, 4000, 5000, 5000,
    ]);
  });

  it('is at least half of that, at random', () => {
    expect(backoffMs(3, () => 0)).toBe(1000);
  });
});
