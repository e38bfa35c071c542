import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  compare,
  type Flow,
  type Reading,
  readSample,
  type Sample,
  type ServerStats,
} from '@/services/CallQuality';
import { LOOK_MS, LOOKS_TO_IMPROVE, LOOKS_TO_WORSEN, QualityWatch, STALE_MS } from '@/services/QualityWatch';

const FLOW: Flow = { kind: 'video', packets: 0, lost: 0, freezeMs: 0 };
const SERVER_STATS: ServerStats = {
  rttMs: 30,
  estimateBps: 4_000_000,
  up: { rateBps: 900_000, lossPercent: 0, jitterMs: 4 },
  down: { rateBps: 2_000_000, lossPercent: null, jitterMs: null },
};

function sample(atMs: number, flows: Record<string, Partial<Flow>>, further: Partial<Sample> = {}): Sample {
  const entries = Object.entries(flows).map(([id, flow]) => [id, { ...FLOW, ...flow }] as const);
  return { atMs, rttMs: 40, sentLoss: 0, flows: new Map(entries), ...further };
}

/** One second of one picture, before which there was one. */
function second(
  change: Partial<Flow>,
  further: Partial<Sample> = {},
  stats: ServerStats | null = null,
  heldBack = false,
): Reading {
  return compare(
    sample(0, { v: { packets: 100 } }),
    sample(1_000, { v: { packets: 200, ...change } }, further),
    { stats, heldBack },
  );
}

describe('the grade', () => {
  it.each([
    ['good', {}, {}],
    ['good', { lost: 2 }, {}],
    ['fair', { lost: 5 }, {}],
    ['poor', { lost: 20 }, {}],
    ['fair', {}, { rttMs: 350 }],
    ['poor', {}, { rttMs: 900 }],
    ['fair', { freezeMs: 250 }, {}],
    ['poor', { freezeMs: 800 }, {}],
    ['fair', {}, { sentLoss: 0.05 }],
    ['good', {}, { rttMs: null }],
  ] as const)('is %s for %o, %o', (grade, change, further) => {
    expect(second(change, further).grade).toBe(grade);
  });

  it('does not count the standstill of somebody who had switched the camera off', () => {
    expect(second({ freezeMs: 9_000 })).toMatchObject({ grade: 'good', freezeMs: 0 });
  });

  it('counts what is lost of what was sent, not of all time', () => {
    const before = sample(0, { v: { packets: 10_000, lost: 5_000 } });
    const now = sample(1_000, { v: { packets: 10_100, lost: 5_000 } });
    expect(compare(before, now).lossPercent).toBe(0);
  });
});

describe('what the server sees', () => {
  it('is in the reading, with its own round trip where the browser has none', () => {
    expect(second({}, { rttMs: null }, SERVER_STATS)).toMatchObject({
      grade: 'good',
      rttMs: 30,
      jitterMs: 4,
      upBps: 900_000,
      downBps: 2_000_000,
      estimateBps: 4_000_000,
    });
  });

  it.each([
    ['poor', { up: { ...SERVER_STATS.up, lossPercent: 12 } }],
    ['fair', { down: { ...SERVER_STATS.down, lossPercent: 4 } }],
    ['fair', { up: { ...SERVER_STATS.up, jitterMs: 80 } }],
    ['poor', { down: { ...SERVER_STATS.down, jitterMs: 250 } }],
  ] as const)('makes it %s with %o', (grade, change) => {
    expect(second({}, {}, { ...SERVER_STATS, ...change }).grade).toBe(grade);
  });

  it('makes it fair that pictures are held back', () => {
    expect(second({}, {}, SERVER_STATS, true)).toMatchObject({ grade: 'fair', heldBack: true });
  });
});

describe('who is heard and seen', () => {
  const before = sample(0, { a: { kind: 'audio' }, b: { kind: 'audio' }, v: { packets: 50 } });
  const now = sample(1_000, {
    a: { kind: 'audio', packets: 50 },
    b: { kind: 'audio', packets: 50 },
    v: { packets: 50 },
  });

  it('are those whose packets came', () => {
    expect([...compare(before, now).flowing]).toEqual(['a', 'b']);
  });
});

it('is read from what browsers report', () => {
  const report = new Map<string, object>([
    ['1', { type: 'inbound-rtp', kind: 'video', trackIdentifier: 'v', packetsReceived: 7, packetsLost: 2 }],
    ['2', { type: 'inbound-rtp', kind: 'audio', trackIdentifier: 'a', packetsReceived: 9 }],
    ['3', { type: 'remote-inbound-rtp', fractionLost: 0.25 }],
    ['4', { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.12 }],
    ['5', { type: 'candidate-pair', nominated: false, currentRoundTripTime: 9 }],
    ['6', { type: 'codec', mimeType: 'video/VP8' }],
  ]);
  const read = readSample(report as unknown as RTCStatsReport, 5);
  expect(read).toMatchObject({ atMs: 5, rttMs: 120, sentLoss: 0.25 });
  expect(read.flows.get('v')).toEqual({ ...FLOW, packets: 7, lost: 2 });
  expect(read.flows.get('a')).toEqual({ ...FLOW, kind: 'audio', packets: 9 });
});

describe('the watch', () => {
  let told: Reading[];
  let rtt: number;
  let getStats: () => Promise<RTCStatsReport | null>;
  let watch: QualityWatch;

  beforeEach(() => {
    vi.useFakeTimers();
    told = [];
    rtt = 0.04;
    getStats = async () =>
      new Map([
        ['p', { type: 'candidate-pair', nominated: true, currentRoundTripTime: rtt }],
      ]) as unknown as RTCStatsReport;
    watch = new QualityWatch(
      () => getStats(),
      (reading) => told.push(reading),
    );
    watch.start();
  });

  afterEach(() => {
    watch.stop();
    vi.useRealTimers();
  });

  async function looks(count: number): Promise<string | undefined> {
    await vi.advanceTimersByTimeAsync(count * LOOK_MS);
    return told.at(-1)?.grade;
  }

  it('worsens and improves only when looks agree', async () => {
    expect(await looks(2)).toBe('good');
    rtt = 0.9;
    expect(await looks(LOOKS_TO_WORSEN - 1)).toBe('good');
    expect(await looks(1)).toBe('poor');
    rtt = 0.04;
    expect(await looks(LOOKS_TO_IMPROVE - 1)).toBe('poor');
    expect(await looks(1)).toBe('good');
  });

  it('is not disturbed by a connection that is gone', async () => {
    getStats = () => Promise.reject(new Error('closed'));
    await looks(2);
    getStats = async () => null;
    await looks(2);
    expect(told).toEqual([]);
  });

  it('takes in what the server saw, until that is old', async () => {
    await looks(2);
    watch.serverSees(SERVER_STATS);
    await looks(1);
    expect(told.at(-1)?.downBps).toBe(2_000_000);
    await looks(STALE_MS / LOOK_MS + 1);
    expect(told.at(-1)?.downBps).toBeNull();
  });

  it('takes in that pictures are held back', async () => {
    const slot = { mid: '1', kind: 'video', userId: 'mia', source: 'camera', height: null };
    watch.slotsAre([{ ...slot, paused: 'bandwidth' }]);
    expect(await looks(1 + LOOKS_TO_WORSEN)).toBe('fair');
    watch.slotsAre([{ ...slot, paused: 'subscription' }]);
    expect(await looks(LOOKS_TO_IMPROVE)).toBe('good');
  });

  it('ends', async () => {
    await looks(2);
    watch.stop();
    const before = told.length;
    await looks(5);
    expect(told).toHaveLength(before);
  });
});
