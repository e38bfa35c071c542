import { type FormEvent, type ReactNode, useEffect, useRef } from 'react';
import { formatMoney } from '@/money/money';
import { Icon } from '../components/Icon';
import type { BattleController, BattleSnapshot, FeedLine } from './BattleController';

/** Longest line that the server takes. */
const MAX_CHAT_CHARS = 1_000;

/** What is written and tipped, the newest at the bottom, and the place to write; `children` are further controls. */
export function BattleFeed(props: {
  snapshot: BattleSnapshot;
  controller: BattleController;
  myId: string;
  children: ReactNode;
}) {
  const { snapshot, controller, myId, children } = props;
  const lines = useRef<HTMLOListElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const count = snapshot.feed.length;
  useEffect(() => {
    if (count > 0) lines.current?.scrollTo?.({ top: lines.current.scrollHeight });
  }, [count]);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = input.current?.value.trim() ?? '';
    if (text === '' || input.current === null) return;
    controller.say(text);
    input.current.value = '';
  };
  return (
    <aside className="battle-feed" aria-label="Chat">
      <ol ref={lines} className="feed-lines" aria-live="polite">
        {count === 0 && <li className="chat-empty muted">Say something. Everybody here reads it.</li>}
        {snapshot.feed.map((line) => (
          <Line key={line.id} line={line} mine={line.from === myId} nameOf={(id) => controller.nameOf(id)} />
        ))}
      </ol>
      <div className="feed-controls">
        <form className="feed-form" onSubmit={submit}>
          <input
            ref={input}
            maxLength={MAX_CHAT_CHARS}
            placeholder="Write something"
            aria-label="Message"
            autoComplete="off"
          />
          <button type="submit" className="icon-button" aria-label="Send">
            <Icon name="send" />
          </button>
        </form>
        {children}
      </div>
    </aside>
  );
}

function Line({ line, mine, nameOf }: { line: FeedLine; mine: boolean; nameOf: (userId: string) => string }) {
  const from = mine ? 'You' : nameOf(line.from);
  if (line.kind === 'chat') {
    return (
      <li className="feed-line">
        <strong>{from}</strong> {line.text}
      </li>
    );
  }
  return (
    <li className="feed-line feed-tip">
      <Icon name="gift" />
      <span>
        <strong>{from}</strong> tipped {nameOf(line.to)} <b>{formatMoney(line.amountMinor, line.currency)}</b>
        {line.text !== null && line.text !== '' && <q>{line.text}</q>}
      </span>
    </li>
  );
}
