import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Api } from '@/api/Api';
import { ApiError } from '@/api/problem';

interface Sent {
  path: string;
  method: string;
  key: string | null;
  body: unknown;
}

let sent: Sent[];
let answers: (Response | Error)[];
let api: Api;
const onSignedOut = vi.fn();

const WALLET = { currency: 'EUR', balanceMinor: 500, heldMinor: 0, availableMinor: 500 };
const TOP_UP = { topUpId: 't', status: 'succeeded' };

const json = (body: unknown, status = 200, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers });
const problem = (status: number, code: string, headers = {}) =>
  json({ code, title: 'No.', status }, status, headers);

beforeEach(() => {
  sent = [];
  answers = [];
  onSignedOut.mockClear();
  let keys = 0;
  api = new Api({
    onSignedOut,
    newKey: () => {
      keys += 1;
      return `key-${keys}`;
    },
    fetch: async (input, init) => {
      const body = init?.body === undefined ? undefined : JSON.parse(String(init.body));
      const key = new Headers(init?.headers).get('Idempotency-Key');
      sent.push({ path: String(input), method: init?.method ?? 'GET', key, body });
      const answer = answers.shift() ?? new Error('no answer left');
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
});

async function failureOf(attempt: Promise<unknown>): Promise<ApiError> {
  const error = await attempt.catch((reason) => reason);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe('requests', () => {
  it('return what was checked', async () => {
    answers = [json(WALLET)];
    await expect(api.wallet()).resolves.toEqual(WALLET);
  });

  it('turn problem details into errors with their code', async () => {
    answers = [problem(402, 'payment_required')];
    expect(await failureOf(api.requestCall('mia'))).toMatchObject({
      status: 402,
      code: 'payment_required',
      message: 'No.',
    });
  });

  it('say when to come back', async () => {
    answers = [problem(429, 'rate_limited', { 'Retry-After': '7' })];
    expect(await failureOf(api.requestCall('mia'))).toMatchObject({ code: 'rate_limited', retryAfterS: 7 });
  });

  it('cope with errors that are no problem details', async () => {
    answers = [new Response('<h1>Bad gateway</h1>', { status: 502 })];
    expect(await failureOf(api.wallet())).toMatchObject({ status: 502, code: 'http_502' });
  });

  it('refuse an answer of the wrong shape', async () => {
    answers = [json({ balanceMinor: '5' })];
    expect(await failureOf(api.wallet())).toMatchObject({ code: 'bad_answer' });
  });
});

describe('money', () => {
  it('moves with a key of its own each time', async () => {
    answers = [json(TOP_UP), json(TOP_UP)];
    await api.topUp(1000, 'EUR', 'card');
    await api.topUp(1000, 'EUR', 'card');
    expect(sent.map(({ key }) => key)).toEqual(['key-1', 'key-2']);
  });

  it('is asked for again with the same key when the network swallowed the answer', async () => {
    answers = [new TypeError('network'), new TypeError('network'), json(TOP_UP)];
    await api.topUp(1000, 'EUR', 'card');
    expect(sent.map(({ key }) => key)).toEqual(['key-1', 'key-1', 'key-1']);
  });

  it.each([
    ['a payout', () => api.requestPayout(null), {}],
    ['a subscription', () => api.subscribe('mia', 'card'), { modelId: 'mia', paymentMethodId: 'card' }],
    ['skipping the queue', () => api.unlockCall('c'), {}],
    ['a ticket', () => api.enterBattle('b'), {}],
    [
      'a tip',
      () => api.tip('b', { to: 'mia', amountMinor: 5, currency: 'EUR', message: null }),
      { to: 'mia', amountMinor: 5, currency: 'EUR' },
    ],
  ])('for %s carries a key as well, and no empty fields', async (_, pay, body) => {
    answers = [new TypeError('network'), problem(402, 'payment_required')];
    await failureOf(pay());
    expect(sent.map(({ key }) => key)).toEqual(['key-1', 'key-1']);
    expect(sent[0]?.body).toEqual(body);
  });

  it('is not asked for without end', async () => {
    answers = Array(10).fill(new TypeError('network'));
    expect(await failureOf(api.topUp(1000, 'EUR', 'card'))).toMatchObject({ code: 'unreachable' });
    expect(sent).toHaveLength(3);
  });
});

it('a file is handed on as it is', async () => {
  answers = [new Response('day,amount\n')];
  const file = await api.earningsCsv({ from: '2026-01-01', to: '2026-01-31' });
  expect(await file.text()).toBe('day,amount\n');
  expect(sent[0]?.path).toBe('/api/creator/earnings.csv?from=2026-01-01&to=2026-01-31');
});

it('automatic top-up that is off names no card', async () => {
  answers = [json({ enabled: false })];
  const off = { enabled: false, paymentMethodId: null, amountMinor: null, maxPerDay: null };
  await expect(api.setAutoRecharge(off)).resolves.toEqual(off);
  expect(sent[0]).toMatchObject({ method: 'PUT', body: { enabled: false } });
});

it('a card is forgotten by an answer without a body', async () => {
  answers = [new Response(null, { status: 204 })];
  await expect(api.removePaymentMethod('a/b')).resolves.toBeNull();
  expect(sent[0]).toMatchObject({ method: 'DELETE', path: '/api/wallet/payment-methods/a%2Fb' });
});

it('a call that may have been rung already is not rung again', async () => {
  answers = [new TypeError('network')];
  await failureOf(api.requestCall('mia'));
  expect(sent).toHaveLength(1);
});

describe('a session that ran out', () => {
  it('is refreshed, and the request sent again', async () => {
    const over = () => problem(401, 'token_expired');
    answers = [over(), over(), json({}), json(WALLET)];
    await expect(api.wallet()).resolves.toEqual(WALLET);
    expect(sent.map(({ path }) => path)).toEqual([
      '/api/wallet',
      '/api/wallet',
      '/api/auth/refresh',
      '/api/wallet',
    ]);
  });

  it('that another tab has refreshed meanwhile is not refreshed twice', async () => {
    answers = [problem(401, 'token_expired'), json(WALLET)];
    await expect(api.wallet()).resolves.toEqual(WALLET);
    expect(sent.map(({ path }) => path)).not.toContain('/api/auth/refresh');
  });

  it('for good signs the person out', async () => {
    answers = [
      problem(401, 'token_expired'),
      problem(401, 'token_expired'),
      problem(401, 'not_authenticated'),
    ];
    expect(await failureOf(api.wallet())).toMatchObject({ status: 401 });
    expect(onSignedOut).toHaveBeenCalledTimes(1);
  });

  it('is not what a wrong password means', async () => {
    answers = [problem(401, 'invalid_credentials')];
    expect(await failureOf(api.signIn('a@example.org', 'wrong'))).toMatchObject({
      code: 'invalid_credentials',
    });
    expect(sent).toHaveLength(1);
  });
});
