import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  confirmCard,
  loadStripe,
  type Stripe,
  type StripeElements,
  StripeRefusal,
} from '@/app/payments/stripeJs';

const stripe = (answer: Awaited<ReturnType<Stripe['confirmSetup']>>): Stripe => ({
  elements: () => elements({}),
  confirmSetup: vi.fn(async () => answer),
});

const elements = (submitted: { error?: { message?: string } }): StripeElements => ({
  create: () => {
    throw new Error('not asked for');
  },
  submit: async () => submitted,
});

describe('a card confirmed by Stripe', () => {
  it.each(['pm_1', { id: 'pm_1' }])('is known by its payment method, told as %o', async (payment_method) => {
    const answer = stripe({ setupIntent: { payment_method } });
    await expect(confirmCard(answer, elements({}), 'https://here.example/')).resolves.toBe('pm_1');
    expect(answer.confirmSetup).toHaveBeenCalledWith(
      expect.objectContaining({
        redirect: 'if_required',
        confirmParams: { return_url: 'https://here.example/' },
      }),
    );
  });

  it('is refused in the words of Stripe', async () => {
    const declined = stripe({ error: { message: 'Your card was declined.' } });
    await expect(confirmCard(declined, elements({}), '')).rejects.toThrow('Your card was declined.');
    const incomplete = elements({ error: { message: 'Your card number is incomplete.' } });
    await expect(confirmCard(stripe({}), incomplete, '')).rejects.toThrow('incomplete');
  });

  it('is refused when there is no payment method in the answer', async () => {
    await expect(
      confirmCard(stripe({ setupIntent: { payment_method: null } }), elements({}), ''),
    ).rejects.toThrow(StripeRefusal);
  });
});

describe('the script of Stripe', () => {
  afterEach(() => {
    window.Stripe = undefined as never;
    for (const element of document.head.querySelectorAll('script')) element.remove();
  });

  const scripts = () => [...document.head.querySelectorAll('script')];

  it('is loaded from Stripe, once, and asked for again after a failure', async () => {
    const first = loadStripe('pk_test');
    expect(scripts().map(({ src }) => src)).toEqual(['https://js.stripe.com/v3/']);
    scripts()[0]?.dispatchEvent(new Event('error'));
    await expect(first).rejects.toThrow(StripeRefusal);
    expect(scripts()).toHaveLength(0);

    const made = stripe({});
    const again = [loadStripe('pk_test'), loadStripe('pk_test')];
    expect(scripts()).toHaveLength(1);
    window.Stripe = vi.fn(() => made);
    scripts()[0]?.dispatchEvent(new Event('load'));
    expect(await Promise.all(again)).toEqual([made, made]);
  });
});
