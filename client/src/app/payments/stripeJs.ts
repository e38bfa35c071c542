/**
 * Stripe.js, loaded from Stripe's own site as its rules demand, and only on a page that enters a card there.
 * Named here is what this app uses of it (docs.stripe.com/js).
 */

const SCRIPT_URL = 'https://js.stripe.com/v3/';

export interface StripeError {
  message?: string;
}

interface PaymentElement {
  mount(place: HTMLElement): void;
  destroy(): void;
  on(event: 'ready', handler: () => void): void;
  on(event: 'loaderror', handler: (event: { error: StripeError }) => void): void;
}

export interface StripeElements {
  create(kind: 'payment'): PaymentElement;
  submit(): Promise<{ error?: StripeError }>;
}

export interface Stripe {
  elements(options: { clientSecret: string; appearance: object }): StripeElements;
  confirmSetup(options: {
    elements: StripeElements;
    redirect: 'if_required';
    confirmParams: { return_url: string };
  }): Promise<{
    error?: StripeError;
    setupIntent?: { payment_method: string | { id: string } | null };
  }>;
}

declare global {
  interface Window {
    Stripe?: (publishableKey: string) => Stripe;
  }
}

/** Stripe could not be had, or said no. `message` is made for people. */
export class StripeRefusal extends Error {
  override readonly name = 'StripeRefusal';
}

let script: Promise<void> | null = null;

/** Throws `StripeRefusal` if the script cannot be loaded; a later call tries again. */
export async function loadStripe(publishableKey: string): Promise<Stripe> {
  script ??= addScript().catch((error) => {
    script = null;
    throw error;
  });
  await script;
  if (window.Stripe === undefined) throw new StripeRefusal(UNREACHABLE);
  return window.Stripe(publishableKey);
}

const UNREACHABLE = 'The card form could not be loaded. Check your network, or a blocker of scripts.';

function addScript(): Promise<void> {
  if (window.Stripe !== undefined) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const element = document.createElement('script');
    element.src = SCRIPT_URL;
    element.addEventListener('load', () => resolve());
    element.addEventListener('error', () => {
      element.remove();
      reject(new StripeRefusal(UNREACHABLE));
    });
    document.head.append(element);
  });
}

/** Confirms what was entered; returns the id of the payment method. Throws `StripeRefusal`. */
export async function confirmCard(
  stripe: Stripe,
  elements: StripeElements,
  returnUrl: string,
): Promise<string> {
  const { error: incomplete } = await elements.submit();
  if (incomplete !== undefined) throw new StripeRefusal(incomplete.message ?? REFUSED);
  const { error, setupIntent } = await stripe.confirmSetup({
    elements,
    redirect: 'if_required',
    confirmParams: { return_url: returnUrl },
  });
  if (error !== undefined) throw new StripeRefusal(error.message ?? REFUSED);
  const method = setupIntent?.payment_method ?? null;
  const id = typeof method === 'string' ? method : method?.id;
  if (id === undefined) throw new StripeRefusal(REFUSED);
  return id;
}

const REFUSED = 'The card was not accepted. Check it, or try another one.';
