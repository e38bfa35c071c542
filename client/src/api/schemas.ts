/** The bodies of the REST API that the app reads (docs: REST), checked as they arrive. */
import {
  type Decoded,
  type Decoder,
  day,
  flag,
  instant,
  integer,
  listOf,
  mapOf,
  nullable,
  object,
  oneOf,
  text,
  withDefault,
} from '@/wire/decode';

export const nothing: Decoder<null> = () => null;

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

export function pageOf<T>(item: Decoder<T>): Decoder<Page<T>> {
  return object({ items: listOf(item), nextCursor: nullable(text) });
}

// People

export const me = object({
  userId: text,
  email: text,
  displayName: text,
  role: oneOf('fan', 'creator', 'admin'),
});

const party = object({ userId: text, displayName: text });

export const rates = object({
  pricePerMinuteMinor: integer,
  currency: text,
  minimumMs: integer,
  incrementMs: integer,
  instantUnlockMinor: nullable(integer),
  premiumHdMinor: nullable(integer),
  subscriptionMonthlyMinor: nullable(integer),
  subscriptionCalls: withDefault(oneOf('none', 'minutes', 'all'), 'none'),
  subscriptionMinutes: nullable(integer),
});

export const model = object({
  modelId: text,
  displayName: text,
  online: flag,
  rates: nullable(rates),
  subscribed: withDefault(flag, false),
});

// Wallet

export const wallet = object({
  currency: text,
  balanceMinor: integer,
  heldMinor: integer,
  availableMinor: integer,
});

export const transaction = object({
  id: text,
  kind: text,
  amountMinor: integer,
  currency: text,
  createdAt: instant,
  ref: nullable(text),
  label: nullable(text),
});

export const gateway = object({
  gateway: text,
  cardEntry: oneOf('sandbox_tokens', 'payment_element'),
  publishableKey: nullable(text),
});

export const cardSetup = object({ gateway: text, clientSecret: text, publishableKey: text });

export const paymentMethod = object({ paymentMethodId: text, brand: text, last4: text });

export const topUp = object({
  topUpId: text,
  status: oneOf('succeeded', 'pending', 'requires_action', 'declined'),
  declineCode: nullable(text),
  redirectUrl: nullable(text),
});

export const autoRecharge = object({
  enabled: flag,
  paymentMethodId: nullable(text),
  amountMinor: nullable(integer),
  maxPerDay: nullable(integer),
});

// Subscriptions

export const subscription = object({
  subscriptionId: text,
  modelId: text,
  displayName: text,
  state: text,
  priceMinor: integer,
  currency: text,
  currentPeriodEnd: nullable(instant),
  cancelAtPeriodEnd: flag,
  redirectUrl: nullable(text),
});

// Calls

export const call = object({
  callId: text,
  roomId: text,
  state: text,
  pricePerMinuteMinor: integer,
  currency: text,
  minimumMs: integer,
  incrementMs: integer,
  fan: party,
  creator: party,
  endedReason: nullable(text),
  expiresAt: nullable(instant),
});

export const receipt = object({
  billableMs: integer,
  includedMs: withDefault(integer, 0),
  unlockMinor: withDefault(integer, 0),
  chargedMinor: integer,
  feeMinor: integer,
  creatorMinor: integer,
  currency: text,
  endedReason: nullable(text),
  timeline: withDefault(listOf(object({ at: instant, event: text })), []),
});

// Creators' money

export const earnings = object({
  currency: text,
  pendingMinor: integer,
  payableMinor: integer,
  owedMinor: withDefault(integer, 0),
  inTransitMinor: withDefault(integer, 0),
});

export const dailyEarnings = object({
  currency: text,
  items: listOf(
    object({
      day,
      source: text,
      grossMinor: integer,
      feeMinor: integer,
      netMinor: integer,
      count: integer,
    }),
  ),
});

export const payout = object({
  payoutId: text,
  amountMinor: integer,
  currency: text,
  status: text,
  createdAt: instant,
});

// Rooms

export const room = object({ roomId: text });

export const conference = object({
  roomId: text,
  kind: text,
  title: nullable(text),
  hostId: nullable(text),
  hostName: nullable(text),
  participants: listOf(object({ userId: text, role: text, displayName: text })),
});

export const battle = object({
  roomId: text,
  kind: text,
  title: nullable(text),
  hostId: nullable(text),
  hostName: nullable(text),
  entryFeeMinor: withDefault(integer, 0),
  hdPassMinor: nullable(integer),
  currency: text,
  potMinor: withDefault(integer, 0),
  scores: withDefault(mapOf(integer), new Map()),
  participants: listOf(object({ userId: text, role: text, displayName: text })),
  players: withDefault(listOf(text), []),
  playerNames: withDefault(mapOf(text), new Map()),
  entered: flag,
  hd: withDefault(flag, false),
});

export const entry = object({ entitlementId: text, chargedMinor: integer });

export const tip = object({ tipId: text });

export const joinToken = object({ token: text });

export type Me = Decoded<typeof me>;
export type Rates = Decoded<typeof rates>;
export type Model = Decoded<typeof model>;
export type Wallet = Decoded<typeof wallet>;
export type Transaction = Decoded<typeof transaction>;
export type Gateway = Decoded<typeof gateway>;
export type CardSetup = Decoded<typeof cardSetup>;
export type PaymentMethod = Decoded<typeof paymentMethod>;
export type TopUp = Decoded<typeof topUp>;
export type AutoRecharge = Decoded<typeof autoRecharge>;
export type Subscription = Decoded<typeof subscription>;
export type Call = Decoded<typeof call>;
export type Receipt = Decoded<typeof receipt>;
export type Earnings = Decoded<typeof earnings>;
export type DailyEarnings = Decoded<typeof dailyEarnings>;
export type Payout = Decoded<typeof payout>;
export type Room = Decoded<typeof room>;
export type Conference = Decoded<typeof conference>;
export type Battle = Decoded<typeof battle>;
export type Entry = Decoded<typeof entry>;
export type Tip = Decoded<typeof tip>;
