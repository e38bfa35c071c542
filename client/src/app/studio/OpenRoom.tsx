import { type FormEvent, useState } from 'react';
import { Link } from 'wouter';
import { ErrorNote } from '../components/ErrorNote';
import { ShareLink } from '../components/ShareLink';
import { useSession } from '../state/session';
import { useAction } from '../state/useLoad';

const MAX_TITLE_CHARS = 120;

/** A conference of one's own: up to twenty people who have the link. */
export function OpenRoom() {
  const { api } = useSession();
  const [roomId, setRoomId] = useState<string | null>(null);
  const open = useAction(async (title: string) => {
    setRoomId((await api.openConference(title)).roomId);
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    open.run(String(new FormData(event.currentTarget).get('title')).trim());
  };
  return (
    <section className="panel open-room" aria-labelledby="open-room">
      <h2 id="open-room">A room for many</h2>
      <p className="muted">
        Up to 20 people who see and hear each other. Whoever has the link can join, for free.
      </p>
      {roomId === null ? (
        <form className="form" onSubmit={submit}>
          <label className="field">
            <span>Name of the room</span>
            <input name="title" maxLength={MAX_TITLE_CHARS} autoComplete="off" required />
          </label>
          {open.error !== null && <ErrorNote error={open.error} />}
          <button type="submit" className="button button-quiet" disabled={open.busy}>
            {open.busy ? 'Opening…' : 'Open a room'}
          </button>
        </form>
      ) : (
        <div className="form">
          <ShareLink path={`/rooms/${roomId}`} />
          <Link href={`/rooms/${roomId}`} className="button button-primary">
            Go in
          </Link>
        </div>
      )}
    </section>
  );
}
