import { render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { vi } from 'vitest';
import { Announcer } from '@/app/components/Announcer';
import { LiveProvider } from '@/app/state/live';
import { SessionProvider, useSession } from '@/app/state/session';
import { FakeSockets } from './FakeSocket';

type Answer = object | ((body: unknown) => object);

/** The server's REST API as a table of answers by "METHOD /path"; whatever is not in it is a 404. */
export class FakeSite {
  readonly requests: { call: string; body: unknown }[] = [];
  readonly answers: Record<string, Answer> = {
    'GET /api/me': { userId: 'leo', email: 'leo@example.org', displayName: 'Leo', role: 'fan' },
    'GET /api/wallet': { currency: 'EUR', balanceMinor: 500, heldMinor: 0, availableMinor: 500 },
  };

  constructor() {
    const sockets = new FakeSockets();
    vi.stubGlobal(
      'WebSocket',
      Object.assign(
        function (this: unknown, url: string) {
          return sockets.create(url);
        },
        { CONNECTING: 0, OPEN: 1, CLOSED: 3 },
      ),
    );
    vi.stubGlobal('fetch', async (path: string, init?: RequestInit) => {
      const call = `${init?.method ?? 'GET'} ${path}`;
      const body = init?.body === undefined ? undefined : JSON.parse(String(init.body));
      this.requests.push({ call, body });
      const answer = this.answers[call] ?? this.answers[call.replace(/\?.*/, '')];
      if (answer === undefined) return Response.json({ code: 'not_found', title: 'No.' }, { status: 404 });
      return Response.json(typeof answer === 'function' ? answer(body) : answer);
    });
  }

  /** What was sent with each request of this kind, oldest first. */
  bodiesOf(call: string): unknown[] {
    return this.requests.filter((request) => request.call === call).map(({ body }) => body);
  }

  /** Shows something to whoever is signed in. */
  show(children: ReactNode): void {
    render(
      <Announcer>
        <SessionProvider>
          <SignedIn>{children}</SignedIn>
        </SessionProvider>
      </Announcer>,
    );
  }
}

function SignedIn({ children }: { children: ReactNode }) {
  const { me } = useSession();
  return me === null || me === undefined ? null : <LiveProvider me={me}>{children}</LiveProvider>;
}
