import { describe, expect, it } from 'vitest';
import * as schemas from '@/api/schemas';
import { DecodeError } from '@/wire/decode';

describe('bodies of the API', () => {
  it('may leave out what an older server does not know', () => {
    const rates = { pricePerMinuteMinor: 300, currency: 'EUR', minimumMs: 60_000, incrementMs: 1_000 };
    const model = schemas.model({ modelId: 'mia', displayName: 'Mia', online: true, rates }, '');
    expect(model).toMatchObject({
      subscribed: false,
      rates: { subscriptionCalls: 'none', subscriptionMonthlyMinor: null },
    });
    expect(schemas.earnings({ currency: 'EUR', pendingMinor: 1, payableMinor: 2 }, '')).toMatchObject({
      owedMinor: 0,
      inTransitMinor: 0,
    });
  });

  it('keep the scores by user', () => {
    const battle = schemas.battle(
      {
        roomId: 'b',
        kind: 'battle',
        title: null,
        hostId: 'mia',
        hostName: 'Mia',
        entryFeeMinor: null,
        currency: 'EUR',
        potMinor: 500,
        scores: { mia: 250 },
        participants: [{ userId: 'mia', role: 'host', displayName: 'Mia' }],
        players: [],
        entered: false,
        hd: false,
      },
      '',
    );
    expect(battle.scores.get('mia')).toBe(250);
    expect(battle.entryFeeMinor).toBe(0);
  });

  it.each([
    ['an amount that is no whole number', schemas.topUp, { topUpId: 't', status: 'paid' }],
    ['a fraction of a minor unit', schemas.tip, { tipId: 1.5 }],
    [
      'a day that is none',
      schemas.dailyEarnings,
      {
        currency: 'EUR',
        items: [{ day: '2026-13-40', source: 'tip', grossMinor: 1, feeMinor: 0, netMinor: 1, count: 1 }],
      },
    ],
    [
      'a way to enter cards that is not known',
      schemas.gateway,
      { gateway: 'x', cardEntry: 'type_it_here', publishableKey: null },
    ],
  ])('refuse %s', (_, decoder, body) => {
    expect(() => decoder(body, '')).toThrow(DecodeError);
  });
});
