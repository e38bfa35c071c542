/** What a creator's rates mean, in words and sums. */
import type { Rates } from '@/api/schemas';
import { chargeMinor } from './meter';
import { formatMoney } from './money';

/** What a creator asks, as it is now or as it stood when a call began. */
type Asked = Pick<Rates, 'pricePerMinuteMinor' | 'minimumMs' | 'incrementMs'>;

/** What a call costs at least, so what a wallet has to cover before it can ring. */
export function leastChargeMinor(rates: Asked): number {
  return chargeMinor(rates.minimumMs, rates.pricePerMinuteMinor, rates.incrementMs);
}

/** The same where it is worth a word: null if it is no more than the first increment costs anyway. */
export function minimumMinor(rates: Asked): number | null {
  return rates.minimumMs > rates.incrementMs ? leastChargeMinor(rates) : null;
}

/** What a subscription includes, as a sentence; null if there is none to be had. */
export function subscriptionIncludes(rates: Rates): string | null {
  if (rates.subscriptionMonthlyMinor === null) return null;
  const price = formatMoney(rates.pricePerMinuteMinor, rates.currency);
  switch (rates.subscriptionCalls) {
    case 'all':
      return 'Every private call is included.';
    case 'minutes':
      return `${minutesInWords(rates.subscriptionMinutes ?? 0)} of private calls every month, then ${price} a minute.`;
    case 'none':
      return `Calls stay at ${price} a minute.`;
  }
}

export interface CallPrice {
  /** The figure, or what stands for it. */
  price: string;
  /** What belongs to the price, smaller. */
  note: string;
  included: boolean;
}

/** What a call costs this caller. */
export function callPrice(rates: Rates, subscribed: boolean): CallPrice {
  const perMinute = formatMoney(rates.pricePerMinuteMinor, rates.currency);
  if (subscribed && rates.subscriptionCalls === 'all') {
    return { price: 'Included', note: 'in your subscription', included: true };
  }
  if (subscribed && rates.subscriptionCalls === 'minutes') {
    const minutes = minutesInWords(rates.subscriptionMinutes ?? 0);
    return { price: `${minutes} included`, note: `a month, then ${perMinute} / min`, included: true };
  }
  return { price: perMinute, note: '/ min', included: false };
}

function minutesInWords(minutes: number): string {
  return minutes === 1 ? '1 minute' : `${minutes} minutes`;
}
