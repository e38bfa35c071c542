/** What the books call things, in words for people. An unknown name is told as it is: the server may learn new ones first. */

/** Why money moved in a wallet, by the kind of a transaction. */
const KINDS: Readonly<Record<string, string>> = {
  top_up: 'Added by card',
  call: 'Private call',
  subscription: 'Subscription',
  instant_unlock: 'Skipped the queue',
  premium_hd: 'HD pass',
  battle_entry: 'Battle entry',
  battle_pot: 'Battle pot',
  tip: 'Tip',
  refund: 'Refund',
  chargeback: 'Disputed card payment',
  release: 'Earnings released',
  payout: 'Payout',
  adjustment: 'Adjustment by us',
};

/** What a creator earns with, by the purpose of the transfers. */
const SOURCES: Readonly<Record<string, string>> = {
  call: 'Private calls',
  subscription: 'Subscriptions',
  tip: 'Tips',
  instant_unlock: 'Queue skips',
  premium_hd: 'HD passes',
  battle_pot: 'Battles',
  battle_entry: 'Battles',
  refund: 'Refunds',
  chargeback: 'Disputes',
  adjustment: 'Adjustments',
};

/** Moments of a call, as its receipt lists them. */
const MOMENTS: Readonly<Record<string, string>> = {
  REQUESTED: 'Rang',
  AUTHORIZING: 'Accepted',
  CONNECTING: 'Connecting',
  ACTIVE: 'Picture and sound began',
  RENEWING: 'Next minutes reserved',
  FINAL: 'On the last of the balance',
  LOW_BALANCE: 'Warned that the balance runs out',
  PAUSED: 'Paused: connection lost, meter stopped',
  RESUMED: 'Back again, meter goes on',
  ENDING: 'Ended',
  SETTLED: 'Settled',
  CANCELLED: 'Cancelled',
  REJECTED: 'Declined',
  DISPUTED: 'Card payment disputed',
  WON: 'Dispute decided for the creator',
  LOST: 'Dispute decided for the card holder',
};

/** Why a call ended, whoever asks. */
const ENDINGS: Readonly<Record<string, string>> = {
  PAYMENT_FAILED: 'The payment failed',
  TIME_EXPIRED: 'The balance was used up',
  ADMIN_TERMINATED: 'Ended by the site',
  CONNECTION_LOST: 'The connection was lost',
};

export function kindInWords(kind: string): string {
  return KINDS[kind] ?? plain(kind);
}

export function sourceInWords(source: string): string {
  return SOURCES[source] ?? plain(source);
}

export function momentInWords(event: string): string {
  return MOMENTS[event] ?? plain(event);
}

/** Why a call ended, as told to the fan or to the creator; `other` is the name of the other side. */
export function endingInWords(reason: string, toCreator: boolean, other: string): string {
  if (reason === 'HOST_ENDED') return toCreator ? 'You hung up' : `${other} hung up`;
  if (reason === 'PAYER_ENDED') return toCreator ? `${other} hung up` : 'You hung up';
  return ENDINGS[reason] ?? plain(reason);
}

/** `some_new_kind` as "Some new kind". */
function plain(name: string): string {
  const words = name.replaceAll('_', ' ').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
