import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import { Api, type Registration } from '@/api/Api';
import { ApiError } from '@/api/problem';
import type { Me } from '@/api/schemas';
import { useAnnounce } from '../components/Announcer';

interface Session {
  api: Api;
  /** Undefined until known; null when nobody is signed in. */
  me: Me | null | undefined;
  signIn: (email: string, password: string) => Promise<void>;
  register: (registration: Registration) => Promise<void>;
  signOut: () => void;
}

const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error('useSession outside of SessionProvider');
  return session;
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const [me, setMe] = useState<Me | null>();
  const announce = useAnnounce();
  const api = useMemo(() => new Api({ onSignedOut: () => setMe(null) }), []);

  useEffect(() => {
    api.me().then(setMe, (error) => {
      setMe(null);
      if (error instanceof ApiError && error.status === 401) return;
      announce('The server cannot be reached. Check your network and load the page again.', 'bad');
    });
  }, [api, announce]);

  const signIn = useCallback(
    async (email: string, password: string) => {
      await api.signIn(email, password);
      setMe(await api.me());
    },
    [api],
  );
  const register = useCallback(
    async (registration: Registration) => {
      await api.register(registration);
      setMe(await api.me());
    },
    [api],
  );
  const signOut = useCallback(() => {
    api.signOut().then(
      () => setMe(null),
      () => announce('Signing out did not work. Try again.', 'bad'),
    );
  }, [api, announce]);

  const session = useMemo(
    () => ({ api, me, signIn, register, signOut }),
    [api, me, signIn, register, signOut],
  );
  return <SessionContext value={session}>{children}</SessionContext>;
}
