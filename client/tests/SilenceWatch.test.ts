import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SFUClient } from '@/services/SFUClient';
import { SilenceWatch } from '@/services/SilenceWatch';
import { Browser, settled } from './fakes/room';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function pairs(bytesReceived: number): Map<string, object> {
  return new Map([['pair', { id: 'pair', type: 'candidate-pair', bytesReceived }]]);
}

describe('silence', () => {
  let received: number;
  let noticed: number;
  let watch: SilenceWatch;

  beforeEach(() => {
    received = 0;
    noticed = 0;
    watch = new SilenceWatch(
      async () => pairs(received) as unknown as RTCStatsReport,
      () => {
        noticed += 1;
      },
    );
    watch.start();
  });

  afterEach(() => watch.stop());

  async function flow(ms: number): Promise<void> {
    for (let at = 0; at < ms; at += 500) {
      received += 1_000;
      await vi.advanceTimersByTimeAsync(500);
    }
  }

  it('after media that came all the time is told once, within two seconds', async () => {
    await flow(5_000);
    expect(noticed).toBe(0);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(noticed).toBe(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(noticed).toBe(1);
    await flow(5_000);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(noticed).toBe(2);
  });

  it('of somebody who hardly ever speaks is none', async () => {
    for (let check = 0; check < 10; check++) {
      await flow(500);
      await vi.advanceTimersByTimeAsync(2_500);
    }
    expect(noticed).toBe(0);
  });

  it('for a moment is none', async () => {
    await flow(5_000);
    await vi.advanceTimersByTimeAsync(1_000);
    await flow(5_000);
    expect(noticed).toBe(0);
  });

  it('is not told of a watch that was stopped', async () => {
    await flow(5_000);
    watch.stop();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(noticed).toBe(0);
  });
});

describe('a client whose media falls silent', () => {
  let browser: Browser;
  let client: SFUClient;

  beforeEach(async () => {
    browser = new Browser();
    client = new SFUClient('room-123', 'user-456', browser.camera, browser.options);
  });

  afterEach(() => client.leave());

  async function fallSilent(): Promise<void> {
    for (let bytes = 1_000; bytes <= 10_000; bytes += 1_000) {
      browser.peers.last.stats.set('pair', { id: 'pair', type: 'candidate-pair', bytesReceived: bytes });
      await vi.advanceTimersByTimeAsync(500);
    }
    await vi.advanceTimersByTimeAsync(2_000);
  }

  it('asks for a new path, and goes on as before if the server answers', async () => {
    const socket = await browser.join(client);
    await fallSilent();
    expect(socket.sentOf('OFFER')).toHaveLength(2);
    socket.receive({ type: 'ANSWER', sdp: 'answer' });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(client.state).toBe('connected');
    expect(browser.sockets.all).toHaveLength(1);
  });

  it('signals anew at once if it does not', async () => {
    await browser.join(client);
    await fallSilent();
    await vi.advanceTimersByTimeAsync(1_500);
    expect(client.state).toBe('reconnecting');
    await settled();
    expect(browser.sockets.all).toHaveLength(2);
    expect(browser.peers.all).toHaveLength(1);
  });
});
