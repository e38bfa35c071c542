import { Icon } from '../components/Icon';
import { confirmationUrl } from './topUp';

/**
 * A payment that is not decided yet: the way to the bank's page if the person has to confirm it there, and the
 * word that this page goes on by itself. A link, because browsers block windows that open by themselves.
 */
export function Confirmation({ redirectUrl, letGo }: { redirectUrl: string | null; letGo: () => void }) {
  const url = confirmationUrl(redirectUrl);
  return (
    <div className="confirmation" role="status">
      <p>
        <Icon name="clock" />
        <span>
          <strong>
            {url === null ? 'Your bank is confirming the payment' : 'Your bank wants a confirmation'}
          </strong>
          <small>
            {url === null
              ? 'This usually takes a moment. You need not wait: the money appears as soon as it is there.'
              : 'It opens in a new tab. Come back here afterwards: this page goes on by itself.'}
          </small>
        </span>
      </p>
      {url !== null && (
        <a className="button button-gold button-wide" href={url} target="_blank" rel="noopener noreferrer">
          <Icon name="external" />
          Confirm with your bank
        </a>
      )}
      <button type="button" className="button button-quiet" onClick={letGo}>
        {url === null ? 'Do not wait' : 'Use another way'}
      </button>
    </div>
  );
}
