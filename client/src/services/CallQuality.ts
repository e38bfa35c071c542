/**
 * How good a connection is, read from `RTCPeerConnection.getStats()` (W3C WebRTC Statistics) and from what the server
 * sees of it (STATS). Pure.
 */
import type { ServerMessageOf, Slot } from '@/signaling/messages';

/** The connection as the server sees it. */
export type ServerStats = Pick<ServerMessageOf<'STATS'>, 'rttMs' | 'estimateBps' | 'up' | 'down'>;

export type Grade = 'good' | 'fair' | 'poor';

/** One received track at one moment; counts are since its beginning. */
export interface Flow {
  kind: string;
  packets: number;
  lost: number;
  /** How long its pictures stood still. */
  freezeMs: number;
}

/** What the statistics said at one moment. */
export interface Sample {
  atMs: number;
  rttMs: number | null;
  /** What the server says is lost of what we send, 0 to 1. */
  sentLoss: number;
  /** Received tracks by the id of their `MediaStreamTrack`. */
  flows: ReadonlyMap<string, Flow>;
}

/** What happened between two samples. */
export interface Reading {
  grade: Grade;
  /** The worse of both directions, in percent. */
  lossPercent: number;
  rttMs: number | null;
  /** Of the worse direction. */
  jitterMs: number | null;
  /** The longest standstill of a picture that was being received. */
  freezeMs: number;
  /** Pictures are held back, as the connection would not carry them. */
  heldBack: boolean;
  upBps: number | null;
  downBps: number | null;
  /** What the way to here is thought to carry. */
  estimateBps: number | null;
  /** Tracks that carried anything: what is not here is muted by its sender, or paused. */
  flowing: ReadonlySet<string>;
}

/** What the server has told, as far as it is not old. */
export interface Told {
  stats: ServerStats | null;
  /** It holds pictures back because the connection is too slow. */
  heldBack: boolean;
}

/** From here on it is noticed (fair), and it disturbs (poor). Delay: ITU-T G.114 holds 150 ms one way for good. */
const LOSS_PERCENT = { fair: 3, poor: 10 } as const;
const RTT_MS = { fair: 300, poor: 700 } as const;
const FREEZE_MS = { fair: 200, poor: 700 } as const;
/** Browsers smooth out so much without being heard to. */
const JITTER_MS = { fair: 60, poor: 200 } as const;

const NOTHING_TOLD: Told = { stats: null, heldBack: false };

/** The server holds pictures back, because the connection would not carry them. */
export function isHeldBack(slots: readonly Slot[]): boolean {
  return slots.some(({ paused }) => paused === 'bandwidth');
}

export function readSample(report: RTCStatsReport, atMs: number): Sample {
  const flows = new Map<string, Flow>();
  let rttMs: number | null = null;
  let sentLoss = 0;
  report.forEach((stats: Record<string, unknown>) => {
    if (stats.type === 'inbound-rtp' && typeof stats.trackIdentifier === 'string') {
      flows.set(stats.trackIdentifier, {
        kind: String(stats.kind),
        packets: amount(stats.packetsReceived),
        lost: amount(stats.packetsLost),
        freezeMs: amount(stats.totalFreezesDuration) * 1000,
      });
    } else if (stats.type === 'remote-inbound-rtp') {
      sentLoss = Math.max(sentLoss, amount(stats.fractionLost));
    } else if (stats.type === 'candidate-pair' && stats.nominated === true) {
      const seconds = stats.currentRoundTripTime;
      if (typeof seconds === 'number') rttMs = seconds * 1000;
    }
  });
  return { atMs, rttMs, sentLoss, flows };
}

export function compare(before: Sample, now: Sample, told: Told = NOTHING_TOLD): Reading {
  const intervalMs = Math.max(now.atMs - before.atMs, 1);
  const flowing = new Set<string>();
  let [received, lost, freezeMs] = [0, 0, 0];
  for (const [trackId, flow] of now.flows) {
    const earlier = before.flows.get(trackId);
    const packets = flow.packets - (earlier?.packets ?? 0);
    if (packets <= 0) continue;
    flowing.add(trackId);
    received += packets;
    lost += Math.max(flow.lost - (earlier?.lost ?? 0), 0);
    const frozenMs = earlier === undefined ? 0 : flow.freezeMs - earlier.freezeMs;
    // A longer one began before the interval: its sender was muted, and is back.
    if (frozenMs <= intervalMs) freezeMs = Math.max(freezeMs, frozenMs);
  }
  const lossReceived = received + lost === 0 ? 0 : lost / (received + lost);
  const { stats, heldBack } = told;
  const figures = {
    lossPercent: Math.max(
      Math.max(lossReceived, now.sentLoss) * 100,
      stats?.up.lossPercent ?? 0,
      stats?.down.lossPercent ?? 0,
    ),
    rttMs: now.rttMs ?? stats?.rttMs ?? null,
    jitterMs: worse(stats?.up.jitterMs, stats?.down.jitterMs),
    freezeMs,
    heldBack,
  };
  return {
    ...figures,
    grade: grades(figures),
    upBps: stats?.up.rateBps ?? null,
    downBps: stats?.down.rateBps ?? null,
    estimateBps: stats?.estimateBps ?? null,
    flowing,
  };
}

type Figures = Pick<Reading, 'lossPercent' | 'rttMs' | 'jitterMs' | 'freezeMs' | 'heldBack'>;

function grades({ lossPercent, rttMs, jitterMs, freezeMs, heldBack }: Figures): Grade {
  const reaches = (grade: 'fair' | 'poor') =>
    lossPercent >= LOSS_PERCENT[grade] ||
    (rttMs ?? 0) >= RTT_MS[grade] ||
    (jitterMs ?? 0) >= JITTER_MS[grade] ||
    freezeMs >= FREEZE_MS[grade];
  if (reaches('poor')) return 'poor';
  return heldBack || reaches('fair') ? 'fair' : 'good';
}

function worse(one: number | null | undefined, other: number | null | undefined): number | null {
  if (one === null || one === undefined) return other ?? null;
  return Math.max(one, other ?? 0);
}

function amount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
