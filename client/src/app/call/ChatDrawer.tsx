import { type FormEvent, useEffect, useRef } from 'react';
import { Icon } from '../components/Icon';
import type { CallController, CallSnapshot } from './CallController';

/** Longest line that the server takes. */
const MAX_CHAT_CHARS = 1_000;

interface Props {
  other: string;
  snapshot: CallSnapshot;
  controller: CallController;
  close: () => void;
}

/** What the two write to each other, for the length of the call. */
export function ChatDrawer({ other, snapshot, controller, close }: Props) {
  const end = useRef<HTMLLIElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const count = snapshot.chat.length;

  useEffect(() => input.current?.focus(), []);
  useEffect(() => {
    if (count === 0) return;
    end.current?.scrollIntoView?.({ block: 'end' });
    controller.markRead();
  }, [count, controller]);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = input.current?.value.trim() ?? '';
    if (text === '' || input.current === null) return;
    controller.say(text);
    input.current.value = '';
  };
  return (
    <aside
      className="chat"
      aria-label={`Chat with ${other}`}
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
        {count === 0 && (
          <li className="chat-empty muted">Say hello to {other}. Nothing written here is kept.</li>
        )}
        {snapshot.chat.map((line) => (
          <li key={line.id} className="chat-line" data-mine={line.mine || undefined}>
            <span className="visually-hidden">{line.mine ? 'You' : other}: </span>
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
