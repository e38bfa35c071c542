import type { TopUp } from '@/api/schemas';

/** Decline codes of the gateways, in words that say what to do. */
const TEXT_BY_DECLINE_CODE: Readonly<Record<string, string>> = {
  insufficient_funds:
    'Your bank says there is not enough money on this card. Try a smaller amount or another card.',
  expired_card: 'This card has expired. Add another one.',
};

/** Why no money came, in words; null if it came or is on its way. */
export function topUpFailure(topUp: TopUp): string | null {
  if (topUp.status === 'succeeded' || topUp.status === 'pending') return null;
  if (topUp.status === 'requires_action') {
    return 'Your bank wants you to confirm this payment, which is not possible here yet. Try another card.';
  }
  return (
    TEXT_BY_DECLINE_CODE[topUp.declineCode ?? ''] ??
    'Your bank declined this payment. Nothing was taken. Try another card.'
  );
}
