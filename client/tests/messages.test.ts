import { describe, expect, it } from 'vitest';
import { parseServerEvent, parseServerMessage } from '@/signaling/messages';
import { DecodeError } from '@/wire/decode';

const parse = (message: object) => parseServerMessage(JSON.stringify(message));

describe('messages of the server', () => {
  it('are taken with their fields, times as milliseconds', () => {
    expect(
      parse({
        type: 'SESSION',
        sessionId: 's',
        state: 'ACTIVE',
        pricePerMinuteMinor: 300,
        currency: 'EUR',
        paidUntil: '2026-01-01T00:01:00.000Z',
        grantedMs: 60_000,
        usedMs: 1_000,
        balanceMinor: 500,
      }),
    ).toMatchObject({
      type: 'SESSION',
      paidUntil: Date.UTC(2026, 0, 1, 0, 1),
      usedMs: 1_000,
      earnedMinor: null,
    });
  });

  it('may have fields that are not known yet', () => {
    expect(parse({ type: 'CHAT', from: 'mia', text: 'hi', mood: 'good' })).toEqual({
      type: 'CHAT',
      from: 'mia',
      text: 'hi',
    });
  });

  it('of unknown types are skipped', () => {
    expect(parse({ type: 'FIREWORKS' })).toBeNull();
    expect(parse({ type: 'constructor' })).toBeNull();
  });

  it.each([
    ['a missing field', { type: 'ANSWER' }],
    ['a field of the wrong kind', { type: 'LOW_BALANCE', secondsLeft: 'ten' }],
    ['a fraction where units are whole', { type: 'LOW_BALANCE', secondsLeft: 1.5 }],
    ['a time that is none', { type: 'SPECTATOR_URL', streamUrl: 'x', expiresAt: 'soon' }],
    ['a list that is none', { type: 'TRACKS', slots: {} }],
    ['no type', { hello: 'you' }],
  ])('with %s are refused', (_, message) => {
    expect(() => parse(message)).toThrow(DecodeError);
  });

  it('name the field that is wrong', () => {
    expect(() => parse({ type: 'TRACKS', slots: [{ mid: '0', kind: 'audio' }, { mid: 1 }] })).toThrow(
      'TRACKS.slots[1].mid',
    );
  });

  it('that are not JSON, not text or far too long are refused', () => {
    expect(() => parseServerMessage('{')).toThrow(SyntaxError);
    expect(parseServerMessage(new ArrayBuffer(4))).toBeNull();
    expect(parseServerMessage(' '.repeat(600_000))).toBeNull();
  });
});

it('events carry who calls and for how much', () => {
  const event = parseServerEvent(
    JSON.stringify({
      type: 'CALL_REQUESTED',
      callId: 'c',
      fan: { userId: 'leo', displayName: 'Leo' },
      expiresAt: null,
    }),
  );
  expect(event).toMatchObject({
    type: 'CALL_REQUESTED',
    fan: { displayName: 'Leo' },
    pricePerMinuteMinor: null,
  });
});
