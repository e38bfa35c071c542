import { describe, expect, it, vi } from 'vitest';
import type { TopUp } from '@/api/schemas';
import { amountFor } from '@/app/payments/Amounts';
import { confirmationUrl, isFinal, topUpFailure, watch } from '@/app/payments/topUp';

const topUp = (status: TopUp['status'], declineCode: string | null = null): TopUp => ({
  topUpId: 't',
  status,
  declineCode,
  redirectUrl: null,
});

describe('a top-up', () => {
  it.each([
    ['succeeded', true],
    ['declined', true],
    ['pending', false],
    ['requires_action', false],
  ] as const)('that is %s is decided: %s', (status, final) => {
    expect(isFinal(topUp(status))).toBe(final);
  });

  it('that was declined says what to do', () => {
    expect(topUpFailure(topUp('declined', 'expired_card'))).toMatch(/expired/);
    expect(topUpFailure(topUp('declined', 'something_new'))).toMatch(/another card/);
    expect(topUpFailure(topUp('pending'))).toBeNull();
  });
});

describe('where a payment is confirmed', () => {
  it('is a page of the web', () => {
    expect(confirmationUrl('https://bank.example/3ds?x=1')).toBe('https://bank.example/3ds?x=1');
    expect(confirmationUrl('/sandbox/3')).toBe(`${location.origin}/sandbox/3`);
  });

  it.each([null, 'javascript:alert(1)', 'data:text/html,x', 'https://'])('is not %s', (url) => {
    expect(confirmationUrl(url)).toBeNull();
  });
});

describe('watching something on its way', () => {
  const at_once = async () => undefined;

  it('looks until it is done', async () => {
    const states = ['pending', 'pending', 'succeeded', 'declined'] as const;
    let looks = 0;
    const look = async () => topUp(states[looks++] ?? 'declined');
    const seen = await watch(look, isFinal, new AbortController().signal, at_once);
    expect(seen?.status).toBe('succeeded');
    expect(looks).toBe(3);
  });

  it('takes no failed look for an answer', async () => {
    const look = vi
      .fn<() => Promise<TopUp>>()
      .mockRejectedValueOnce(new Error('network'))
      .mockResolvedValue(topUp('succeeded'));
    expect(await watch(look, isFinal, new AbortController().signal, at_once)).toMatchObject({
      status: 'succeeded',
    });
  });

  it('is given up after a bounded number of looks', async () => {
    const look = vi.fn(async () => topUp('pending'));
    expect(await watch(look, isFinal, new AbortController().signal, at_once)).toBeNull();
    expect(look.mock.calls.length).toBeLessThan(500);
  });

  it('ends when nobody waits any more', async () => {
    const stop = new AbortController();
    const look = vi.fn(async () => {
      stop.abort();
      return topUp('succeeded');
    });
    expect(await watch(look, isFinal, stop.signal, at_once)).toBeNull();
    expect(look).toHaveBeenCalledTimes(1);
  });
});

it.each([
  [-5, 1_000],
  [1, 1_000],
  [1_001, 2_000],
  [9_999, 10_000],
  [10_001, 11_000],
])('%d missing is covered by %d', (missing, amount) => {
  expect(amountFor(missing)).toBe(amount);
});
