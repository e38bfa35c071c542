/** How good a connection is, read from `RTCPeerConnection.getStats()` (W3C WebRTC Statistics). Pure. */

export type Grade = 'good' | 'fair' | 'poor';

/** One received track at one moment; counts are since its beginning. */
export interface Flow {
  kind: string;
  packets: number;
  lost: number;
  /** How long its pictures stood still. */
  freezeMs: number;
  /** Loudness now, 0 to 1. */
  level: number;
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
  /** The longest standstill of a picture that was being received. */
  freezeMs: number;
  /** Tracks that carried anything: what is not here is muted by its sender, or paused. */
  flowing: ReadonlySet<string>;
  /** The loudest track, if any is louder than a breath. */
  loudest: string | null;
}

/** From here on it is noticed (fair), and it disturbs (poor). Delay: ITU-T G.114 holds 150 ms one way for good. */
const LOSS_PERCENT = { fair: 3, poor: 10 } as const;
const RTT_MS = { fair: 300, poor: 700 } as const;
const FREEZE_MS = { fair: 200, poor: 700 } as const;
/** Quieter than this is a room, not a voice. */
const VOICE_LEVEL = 0.02;

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
        level: amount(stats.audioLevel),
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

export function compare(before: Sample, now: Sample): Reading {
  const intervalMs = Math.max(now.atMs - before.atMs, 1);
  const flowing = new Set<string>();
  let [received, lost, freezeMs, loudestLevel] = [0, 0, 0, VOICE_LEVEL];
  let loudest: string | null = null;
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
    if (flow.kind === 'audio' && flow.level > loudestLevel) {
      loudest = trackId;
      loudestLevel = flow.level;
    }
  }
  const lossReceived = received + lost === 0 ? 0 : lost / (received + lost);
  const lossPercent = Math.max(lossReceived, now.sentLoss) * 100;
  const grade = grades(lossPercent, now.rttMs ?? 0, freezeMs);
  return { grade, lossPercent, rttMs: now.rttMs, freezeMs, flowing, loudest };
}

function grades(lossPercent: number, rttMs: number, freezeMs: number): Grade {
  const reaches = (grade: 'fair' | 'poor') =>
    lossPercent >= LOSS_PERCENT[grade] || rttMs >= RTT_MS[grade] || freezeMs >= FREEZE_MS[grade];
  if (reaches('poor')) return 'poor';
  return reaches('fair') ? 'fair' : 'good';
}

function amount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
