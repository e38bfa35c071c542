import { describe, expect, it } from 'vitest';
import type { Battle, Subscription } from '@/api/schemas';
import { isPlayer, mayEnter, namesIn, standings } from '@/app/battle/standings';
import { isDecided, standingOf } from '@/app/subscriptions/standing';

const BATTLE: Battle = {
  roomId: 'b',
  kind: 'battle',
  title: 'Friday night',
  hostId: 'mia',
  hostName: 'Mia',
  entryFeeMinor: 500,
  hdPassMinor: null,
  currency: 'EUR',
  potMinor: 0,
  scores: new Map(),
  participants: [],
  players: ['juno'],
  playerNames: new Map([['juno', 'Juno']]),
  entered: false,
  hd: false,
};

describe('the standings of a battle', () => {
  const of = (scores: Record<string, number>) =>
    standings(BATTLE, new Map(Object.entries(scores)), namesIn(BATTLE));

  it('have the host first, and whoever scores', () => {
    expect(of({ milo: 100 }).map(({ userId }) => userId)).toEqual(['mia', 'juno', 'milo']);
  });

  it('name players who have not come yet', () => {
    expect(of({ milo: 100 }).map(({ name }) => name)).toEqual(['Mia', 'Juno', 'A player']);
  });

  it('are level at the beginning, and nobody leads', () => {
    expect(of({}).map(({ share, leads }) => [share, leads])).toEqual([
      [0.5, false],
      [0.5, false],
    ]);
  });

  it('name one leader, and none in a draw', () => {
    expect(of({ mia: 300, juno: 100 }).map(({ leads, share }) => [leads, share])).toEqual([
      [true, 0.75],
      [false, 0.25],
    ]);
    expect(of({ mia: 300, juno: 300 }).some(({ leads }) => leads)).toBe(false);
  });
});

describe('the door of a battle', () => {
  it('is open for host, players and ticket holders', () => {
    expect(isPlayer(BATTLE, 'juno')).toBe(true);
    expect(mayEnter(BATTLE, 'mia')).toBe(true);
    expect(mayEnter(BATTLE, 'leo')).toBe(false);
    expect(mayEnter({ ...BATTLE, entered: true }, 'leo')).toBe(true);
    expect(mayEnter({ ...BATTLE, entryFeeMinor: 0 }, 'leo')).toBe(true);
  });
});

describe('a subscription stands', () => {
  const subscription: Subscription = {
    subscriptionId: 's',
    modelId: 'mia',
    displayName: 'Mia',
    state: 'active',
    priceMinor: 1_000,
    currency: 'EUR',
    currentPeriodEnd: Date.parse('2026-03-02T12:00:00Z'),
    cancelAtPeriodEnd: false,
    redirectUrl: null,
  };

  const NOW = Date.parse('2026-02-10T12:00:00Z');

  it.each([
    [{}, 'Active, renews on March 2, 2026', true, null],
    [{ state: 'cancelled', cancelAtPeriodEnd: true }, 'Ends on March 2, 2026', false, 'resume'],
    [{ state: 'past_due' }, 'The last payment failed. Check your card, and it goes on', true, 'pay'],
    [{ state: 'incomplete' }, 'Waiting for your bank', true, null],
    [{ state: 'ended' }, 'Ended', false, null],
    [{ state: 'cancelled', cancelAtPeriodEnd: true, currentPeriodEnd: NOW }, 'Ended', false, null],
    [{ state: 'brand_new' }, 'Active, renews on March 2, 2026', true, null],
  ])('%o as %s', (change, words, cancellable, remedy) => {
    const standing = standingOf({ ...subscription, ...change }, NOW, 'en-US');
    expect(standing).toMatchObject({ words, cancellable, remedy });
  });

  it.each([
    [undefined, true],
    [{ state: 'active' }, true],
    [{ state: 'incomplete' }, false],
    [{ state: 'past_due', redirectUrl: 'https://bank.example/' }, false],
    [{ state: 'past_due' }, true],
    [{ state: 'ended' }, true],
  ])('decided or not: %o', (change, decided) => {
    expect(isDecided(change && { ...subscription, ...change })).toBe(decided);
  });
});
