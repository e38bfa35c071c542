import { ApiError } from '@/api/problem';
import { CameraError } from '@/services/CameraError';
import { SignalingError } from '@/signaling/SignalingChannel';
import { StripeRefusal } from '../payments/stripeJs';
import { Icon } from './Icon';

/** What went wrong, in words for people, and the way on. */
export function ErrorNote({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  return (
    <div className="error-note" role="alert">
      <Icon name="alert" />
      <p>{describeError(error)}</p>
      {retry !== undefined && (
        <button type="button" className="button button-quiet" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Texts for codes whose own message is made for programs. */
const TEXT_BY_CODE: Readonly<Record<string, string>> = {
  invalid_credentials: 'Email or password is wrong.',
  email_taken: 'There is an account with this email already. Sign in instead.',
  under_age: 'You must be at least 18 years old to use Curtaincall.',
  payment_required: 'Your balance does not cover the minimum of this call. Add money first.',
  rate_limited: 'That was too often. Please wait a moment, then try again.',
  invalid_request: 'Please check what you entered.',
  payment_declined: 'Your bank declined this payment. Nothing was taken. Try another card.',
  already_subscribed: 'You are subscribed already.',
  nothing_to_pay_out: 'There is not that much to be paid out yet: new earnings wait for some days first.',
  entry_required: 'This battle needs a ticket.',
  room_ended: 'This has ended.',
  room_full: 'Every seat is taken. Try again in a moment.',
  unreachable: 'No connection to the server. Check your network, then try again.',
  timeout: 'The server did not answer in time. Try again.',
};

export function describeError(error: unknown): string {
  if (error instanceof ApiError || error instanceof SignalingError)
    return TEXT_BY_CODE[error.code] ?? error.message;
  if (error instanceof StripeRefusal) return error.message;
  if (error instanceof CameraError) return error.advice.title;
  return 'Something unexpected happened. Please try again.';
}
