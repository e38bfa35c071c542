import { cleanup, fireEvent, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AddCard } from '@/app/payments/AddCard';
import { QuickTopUp } from '@/app/payments/QuickTopUp';
import { TopUp } from '@/app/payments/TopUp';
import { RatesForm } from '@/app/studio/RatesForm';
import { Movements } from '@/app/wallet/Movements';
import { FakeSite } from '../fakes/site';

const VISA = { paymentMethodId: 'pm1', brand: 'visa', last4: '4242' };

let site: FakeSite;
beforeEach(() => {
  site = new FakeSite();
  site.answers['GET /api/wallet/payment-methods'] = { items: [VISA] };
});
afterEach(cleanup);

async function press(name: string | RegExp): Promise<void> {
  const button = await screen.findByRole('button', { name });
  await waitFor(() => expect(button.hasAttribute('disabled')).toBe(false));
  fireEvent.click(button);
}

describe('a top-up', () => {
  const done = vi.fn();
  beforeEach(() => {
    done.mockClear();
    vi.useFakeTimers({ shouldAdvanceTime: true });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('that the bank wants confirmed leads to the bank, and goes on when it was', async () => {
    let confirmed = false;
    const redirectUrl = 'https://bank.example/confirm';
    site.answers['POST /api/wallet/top-ups'] = { topUpId: 't1', status: 'requires_action', redirectUrl };
    site.answers['GET /api/wallet/top-ups/t1'] = () =>
      confirmed
        ? { topUpId: 't1', status: 'succeeded' }
        : { topUpId: 't1', status: 'requires_action', redirectUrl };
    site.show(<TopUp onDone={done} />);
    await press(/^Add .*20\.00/);

    const link = await screen.findByRole('link', { name: 'Confirm with your bank' });
    expect(link.getAttribute('href')).toBe(redirectUrl);
    expect(link.getAttribute('rel')).toContain('noopener');
    await vi.advanceTimersByTimeAsync(3_000);
    expect(done).not.toHaveBeenCalled();
    confirmed = true;
    await vi.advanceTimersByTimeAsync(6_000);
    await waitFor(() => expect(done).toHaveBeenCalledTimes(1));
    expect(await screen.findByText(/20\.00 added to your wallet/)).toBeDefined();
  });

  it('that is refused at the bank says so, and another card can be tried', async () => {
    site.answers['POST /api/wallet/top-ups'] = { topUpId: 't1', status: 'pending' };
    site.answers['GET /api/wallet/top-ups/t1'] = {
      topUpId: 't1',
      status: 'declined',
      declineCode: 'insufficient_funds',
    };
    site.show(<TopUp onDone={done} />);
    await press(/^Add .*20\.00/);
    expect(await screen.findByText('Your bank is confirming the payment')).toBeDefined();
    await vi.advanceTimersByTimeAsync(2_000);
    expect((await screen.findByRole('alert')).textContent).toContain('not enough money on this card');
    expect(screen.getByRole('button', { name: /^Add .*20\.00/ })).toBeDefined();
    expect(done).not.toHaveBeenCalled();
  });

  it('of another amount is paid in minor units, and nothing else is', async () => {
    site.answers['POST /api/wallet/top-ups'] = { topUpId: 't1', status: 'succeeded' };
    site.show(<TopUp />);
    const other = await screen.findByLabelText(/Other amount/);
    fireEvent.change(other, { target: { value: 'lots' } });
    expect((await screen.findByRole('button', { name: 'Add money' })).hasAttribute('disabled')).toBe(true);
    fireEvent.change(other, { target: { value: '12.5' } });
    await press(/^Add .*12\.50/);
    await waitFor(() =>
      expect(site.bodiesOf('POST /api/wallet/top-ups')).toEqual([
        { amountMinor: 1_250, currency: 'EUR', paymentMethodId: 'pm1' },
      ]),
    );
  });

  it('takes one tap, where there is a card', async () => {
    site.answers['POST /api/wallet/top-ups'] = { topUpId: 't1', status: 'succeeded' };
    site.show(<QuickTopUp amountMinor={1_000} onDone={done} />);
    await vi.waitFor(() => expect(site.bodiesOf('GET /api/wallet/payment-methods')).toHaveLength(1));
    await press(/^Add .*10\.00/);
    await waitFor(() => expect(done).toHaveBeenCalledTimes(1));
  });
});

describe('a card', () => {
  it('of the sandbox is chosen by name', async () => {
    site.answers['GET /api/wallet/gateways'] = {
      items: [{ gateway: 'sandbox', cardEntry: 'sandbox_tokens' }],
    };
    site.answers['POST /api/wallet/payment-methods'] = VISA;
    const added = vi.fn();
    site.show(<AddCard onAdded={added} />);
    fireEvent.change(await screen.findByLabelText(/Test card/), {
      target: { value: 'pm_card_authenticationRequired' },
    });
    await press('Save card');
    await waitFor(() => expect(added).toHaveBeenCalledWith(VISA));
    expect(site.bodiesOf('POST /api/wallet/payment-methods')).toEqual([
      { gateway: 'sandbox', token: 'pm_card_authenticationRequired' },
    ]);
  });

  it("of Stripe is entered in Stripe's own form, and only its id reaches the server", async () => {
    site.answers['GET /api/wallet/gateways'] = {
      items: [{ gateway: 'stripe', cardEntry: 'payment_element', publishableKey: 'pk_test' }],
    };
    site.answers['POST /api/wallet/payment-methods/setup'] = {
      gateway: 'stripe',
      clientSecret: 'seti_secret',
      publishableKey: 'pk_test',
    };
    site.answers['POST /api/wallet/payment-methods'] = VISA;
    const element = {
      mount: vi.fn(),
      destroy: vi.fn(),
      on: (event: string, ready: () => void) => event === 'ready' && ready(),
    };
    const elements = { create: () => element, submit: async () => ({}) };
    const stripe = {
      elements: vi.fn(() => elements),
      confirmSetup: async () => ({ setupIntent: { payment_method: 'pm_live' } }),
    };
    window.Stripe = vi.fn(() => stripe) as never;
    const added = vi.fn();
    site.show(<AddCard onAdded={added} />);
    await waitFor(() => expect(element.mount).toHaveBeenCalledTimes(1));
    await press('Save card');
    await waitFor(() => expect(added).toHaveBeenCalledWith(VISA));
    expect(window.Stripe).toHaveBeenCalledWith('pk_test');
    expect(stripe.elements).toHaveBeenCalledWith(expect.objectContaining({ clientSecret: 'seti_secret' }));
    expect(site.bodiesOf('POST /api/wallet/payment-methods')).toEqual([
      { gateway: 'stripe', token: 'pm_live' },
    ]);
    window.Stripe = undefined as never;
  });
});

describe('the history', () => {
  const line = { currency: 'EUR', createdAt: '2026-01-01T12:00:00.000Z' };
  beforeEach(() => {
    site.answers['GET /api/wallet/transactions'] = {
      items: [
        { ...line, id: '2', kind: 'call', amountMinor: -960, ref: 'c1', label: 'Call with Mia' },
        { ...line, id: '1', kind: 'top_up', amountMinor: 5_000, ref: 't' },
      ],
    };
    site.answers['GET /api/calls/c1'] = {
      callId: 'c1',
      roomId: 'r',
      state: 'SETTLED',
      pricePerMinuteMinor: 300,
      currency: 'EUR',
      minimumMs: 60_000,
      incrementMs: 1_000,
      fan: { userId: 'leo', displayName: 'Leo' },
      creator: { userId: 'mia', displayName: 'Mia' },
    };
    site.answers['GET /api/calls/c1/receipt'] = {
      billableMs: 192_000,
      includedMs: 60_000,
      chargedMinor: 960,
      feeMinor: 192,
      creatorMinor: 768,
      currency: 'EUR',
      endedReason: 'PAYER_ENDED',
      timeline: [{ at: '2026-01-01T12:00:00.000Z', event: 'ACTIVE' }],
    };
  });

  it('tells kinds in words and amounts with their sign', async () => {
    site.show(<Movements newest={5_000} />);
    const lines = await screen.findAllByRole('listitem');
    expect(lines.map(({ textContent }) => textContent)).toEqual([
      expect.stringMatching(/^Call with Mia.*-€9\.60$/),
      expect.stringMatching(/^Added by card.*\+€50\.00$/),
    ]);
  });

  it('opens a call to its receipt, and asks for it only then', async () => {
    site.show(<Movements newest={5_000} />);
    await screen.findAllByRole('listitem');
    expect(site.bodiesOf('GET /api/calls/c1/receipt')).toHaveLength(0);
    await press(/receipt/);
    expect(await screen.findByText('Of it in the subscription')).toBeDefined();
    expect(screen.getByText('3:12')).toBeDefined();
    expect(screen.getByText('You hung up.')).toBeDefined();
    expect(screen.getByRole('list', { name: 'What happened when' }).textContent).toContain(
      'Picture and sound began',
    );
  });
});

it('a wrong price is told at its field, which has the focus, and nothing is saved', async () => {
  site.show(<RatesForm rates={null} onSaved={() => undefined} />);
  const unlock = await screen.findByLabelText(/Skipping the queue/);
  fireEvent.change(unlock, { target: { value: 'cheap' } });
  await press('Save rate');
  expect((await screen.findByRole('alert')).textContent).toContain('Enter a price');
  expect(document.activeElement).toBe(unlock);
  expect(site.requests.some(({ call }) => call.startsWith('PUT'))).toBe(false);
});
