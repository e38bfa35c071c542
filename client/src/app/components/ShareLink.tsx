import { useId, useRef, useState } from 'react';
import { Icon } from './Icon';

/** The address of a page of this site, to be copied and sent to others. */
export function ShareLink({ path }: { path: string }) {
  const field = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);
  const id = useId();
  const copy = async () => {
    // Where the clipboard may not be written to, the marked text is one keystroke away from it.
    field.current?.select();
    try {
      await navigator.clipboard.writeText(field.current?.value ?? '');
      setCopied(true);
    } catch {
      setCopied(false);
    }
  };
  return (
    <div className="share-link">
      <label className="visually-hidden" htmlFor={id}>
        Link to this room
      </label>
      <input
        ref={field}
        id={id}
        readOnly
        value={new URL(path, location.href).href}
        onFocus={(event) => event.currentTarget.select()}
      />
      <button type="button" className="button button-primary button-small" onClick={copy}>
        <Icon name={copied ? 'check' : 'link'} />
        {copied ? 'Copied' : 'Copy link'}
      </button>
      <span className="visually-hidden" role="status">
        {copied ? 'The link is copied.' : ''}
      </span>
    </div>
  );
}
