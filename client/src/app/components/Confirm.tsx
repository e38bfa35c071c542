import type { ReactNode } from 'react';
import { useAction } from '../state/useLoad';
import { ErrorNote } from './ErrorNote';
import { Sheet } from './Sheet';

/** Asks before something that cannot be taken back lightly. Closes by itself when it is done. */
export function Confirm(props: {
  title: string;
  children: ReactNode;
  /** What the button does, in words. */
  action: string;
  act: () => Promise<void>;
  keep: string;
  close: () => void;
}) {
  const run = useAction(async () => {
    await props.act();
    props.close();
  });
  return (
    <Sheet title={props.title} onClose={props.close}>
      <div className="muted">{props.children}</div>
      {run.error !== null && <ErrorNote error={run.error} />}
      <div className="choice-buttons">
        <button type="button" className="button button-danger" disabled={run.busy} onClick={() => run.run()}>
          {run.busy ? 'One moment…' : props.action}
        </button>
        <button type="button" className="button button-quiet" onClick={props.close}>
          {props.keep}
        </button>
      </div>
    </Sheet>
  );
}
