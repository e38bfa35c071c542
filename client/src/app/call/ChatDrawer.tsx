import { type FormEvent, useEffect, useRef } from 'react';
import { Icon } from '../components/Icon';

/** Longest line that the server takes. */
const MAX_CHAT_CHARS = 1_000;

export interface ChatLine {
  id: number;
  mine: boolean;
  /** Who wrote it, by name. */
  from: string;
  text: string;
}

interface Props {
  title: string;
  /** What an empty chat says. */
  invitation: string;
  /** Show who wrote each line: where there are more than two. */
  named: boolean;
  lines: readonly ChatLine[];
  say: (text: string) => void;
  markRead: () => void;
  close: () => void;
}

/** What people write to each other, for as long as they are in the room. */
export function ChatDrawer({ title, invitation, named, lines, say, markRead, close }: Props) {
  const end = useRef<HTMLLIElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const count = lines.length;

  useEffect(() => input.current?.focus(), []);
  useEffect(() => {
    if (count === 0) return;
    end.current?.scrollIntoView?.({ block: 'end' });
    markRead();
  }, [count, markRead]);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = input.current?.value.trim() ?? '';
    if (text === '' || input.current === null) return;
    say(text);
    input.current.value = '';
  };
  return (
    <aside
      className="chat"
      aria-label={title}
      onKeyDown={(event) => {
        if (event.key === 'Escape') close();
      }}
    >
      <header className="chat-head">
        <h2>Chat</h2>
        <button type="button" className="icon-button" aria-label="Close chat" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <ol className="chat-lines" aria-live="polite">
        {count === 0 && <li className="chat-empty muted">{invitation}</li>}
        {lines.map((line) => (
          <li key={line.id} className="chat-line" data-mine={line.mine || undefined}>
            <span className={named && !line.mine ? 'chat-from' : 'visually-hidden'}>
              {line.mine ? 'You' : line.from}
              <span className="visually-hidden">: </span>
            </span>
            {line.text}
          </li>
        ))}
        <li ref={end} aria-hidden="true" />
      </ol>
      <form className="chat-form" onSubmit={submit}>
        <input
          ref={input}
          name="text"
          maxLength={MAX_CHAT_CHARS}
          placeholder="Write something"
          aria-label="Message"
          autoComplete="off"
        />
        <button type="submit" className="icon-button" aria-label="Send">
          <Icon name="send" />
        </button>
      </form>
    </aside>
  );
}
