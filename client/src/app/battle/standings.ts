/** Who leads a battle, and by how much: drawn from the scores that the server tells. */
import type { Battle } from '@/api/schemas';

export interface Player {
  userId: string;
  name: string;
  isHost: boolean;
  scoreMinor: number;
  /** Of all scores together, 0 to 1; alike for all while nobody has any. */
  share: number;
  leads: boolean;
}

/** The players with their scores, the host first; who has left the room still has a score. */
export function standings(
  battle: Pick<Battle, 'hostId' | 'players'>,
  scores: ReadonlyMap<string, number>,
  names: ReadonlyMap<string, string>,
): Player[] {
  const ids = playersOf(battle, scores);
  const total = ids.reduce((sum, userId) => sum + (scores.get(userId) ?? 0), 0);
  const best = Math.max(0, ...ids.map((userId) => scores.get(userId) ?? 0));
  const leaders = ids.filter((userId) => best > 0 && scores.get(userId) === best);
  return ids.map((userId) => {
    const scoreMinor = scores.get(userId) ?? 0;
    return {
      userId,
      name: names.get(userId) ?? 'A player',
      isHost: userId === battle.hostId,
      scoreMinor,
      share: total === 0 ? 1 / ids.length : scoreMinor / total,
      leads: leaders.length === 1 && leaders[0] === userId,
    };
  });
}

function playersOf(
  battle: Pick<Battle, 'hostId' | 'players'>,
  scores: ReadonlyMap<string, number>,
): string[] {
  const host = battle.hostId === null ? [] : [battle.hostId];
  return [...new Set([...host, ...battle.players, ...scores.keys()])];
}

/** The names of whoever plays or is inside. */
export function namesIn(battle: Battle): ReadonlyMap<string, string> {
  return new Map([
    ...(battle.hostId === null ? [] : [[battle.hostId, battle.hostName ?? 'The host'] as const]),
    ...battle.playerNames,
    ...battle.participants.map(({ userId, displayName }) => [userId, displayName] as const),
  ]);
}

export function isPlayer(battle: Pick<Battle, 'hostId' | 'players'>, userId: string): boolean {
  return battle.hostId === userId || battle.players.includes(userId);
}

/** Whether the way in is open: players, ticket holders, and everybody where it costs nothing. */
export function mayEnter(battle: Battle, userId: string): boolean {
  return battle.entered || battle.entryFeeMinor === 0 || isPlayer(battle, userId);
}
