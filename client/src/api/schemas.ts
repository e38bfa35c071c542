/** The bodies of the REST API that the app reads (docs: REST), checked as they arrive. */
import {
  type Decoded,
  type Decoder,
  flag,
  instant,
  integer,
  listOf,
  nullable,
  object,
  oneOf,
  text,
} from '@/wire/decode';

export const me = object({
  userId: text,
  email: text,
  displayName: text,
  role: oneOf('fan', 'creator', 'admin'),
});

export const rates = object({
  pricePerMinuteMinor: integer,
  currency: text,
  minimumMs: integer,
  incrementMs: integer,
});

export const model = object({ modelId: text, displayName: text, online: flag, rates: nullable(rates) });

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
});

export const paymentMethod = object({ paymentMethodId: text, brand: text, last4: text });

export const topUp = object({
  topUpId: text,
  status: oneOf('succeeded', 'pending', 'requires_action', 'declined'),
  declineCode: nullable(text),
});

const party = object({ userId: text, displayName: text });

export const call = object({
  callId: text,
  roomId: text,
  state: text,
  pricePerMinuteMinor: integer,
  currency: text,
  fan: party,
  creator: party,
  endedReason: nullable(text),
  expiresAt: nullable(instant),
});

export const receipt = object({
  billableMs: integer,
  chargedMinor: integer,
  feeMinor: integer,
  creatorMinor: integer,
  currency: text,
  endedReason: nullable(text),
});

export const earnings = object({ currency: text, pendingMinor: integer, payableMinor: integer });

export const joinToken = object({ token: text });

export const nothing: Decoder<null> = () => null;

export function pageOf<T>(item: Decoder<T>): Decoder<{ items: T[]; nextCursor: string | null }> {
  return object({ items: listOf(item), nextCursor: nullable(text) });
}

export type Me = Decoded<typeof me>;
export type Rates = Decoded<typeof rates>;
export type Model = Decoded<typeof model>;
export type Wallet = Decoded<typeof wallet>;
export type Transaction = Decoded<typeof transaction>;
export type PaymentMethod = Decoded<typeof paymentMethod>;
export type TopUp = Decoded<typeof topUp>;
export type Call = Decoded<typeof call>;
export type Receipt = Decoded<typeof receipt>;
export type Earnings = Decoded<typeof earnings>;
