import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import type { Me, Wallet } from '@/api/schemas';
import { EventsClient } from '@/signaling/EventsClient';
import type { ServerEvent } from '@/signaling/messages';
import { socketUrl } from '@/signaling/SignalingChannel';
import { useSession } from './session';

export interface IncomingRequest {
  callId: string;
  fanId: string;
  fanName: string;
  pricePerMinuteMinor: number | null;
  currency: string | null;
  expiresAt: number | null;
}

interface Live {
  /** Whether news comes in. */
  connected: boolean;
  wallet: Wallet | null;
  reloadWallet: () => void;
  /** Creators that came or went since the list was loaded. */
  presence: ReadonlyMap<string, boolean>;
  incoming: readonly IncomingRequest[];
  /** Takes a request off the list, because it was answered here. */
  settleIncoming: (callId: string) => void;
  /** A creator's own switch: whether fans can call. */
  online: boolean;
  setOnline: (online: boolean) => void;
  /** Hears of the state of calls. Returns the function that stops it. */
  onCallState: (listener: (event: { callId: string; state: string }) => void) => () => void;
  /** Counts reconnections: whoever shows something that news keeps fresh should ask for it again. */
  epoch: number;
}

const LiveContext = createContext<Live | null>(null);

/** Whether the creator wants to be called, remembered by this browser. */
const ONLINE_KEY = 'curtaincall.online';
/** Requests shown at once; the server sends no more than these at the start either. */
const MAX_INCOMING = 20;

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (live === null) throw new Error('useLive outside of LiveProvider');
  return live;
}

/** Keeps the events connection of whoever is signed in, and what it tells. */
export function LiveProvider({ me, children }: { me: Me; children: ReactNode }) {
  const { api } = useSession();
  const events = useMemo(
    () =>
      new EventsClient(socketUrl('/api/events'), {
        onUnauthorized: () => api.refresh().then(() => undefined),
      }),
    [api],
  );
  const [connected, setConnected] = useState(true);
  const [epoch, setEpoch] = useState(0);
  const [wallet, setWallet] = useState<Wallet | null>(null);
  const [presence, setPresence] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [incoming, setIncoming] = useState<readonly IncomingRequest[]>([]);
  const [online, setOnlineWish] = useState(() => localStorage.getItem(ONLINE_KEY) !== 'no');

  const reloadWallet = useCallback(() => {
    // A failure leaves the old figures; the next event or page asks again.
    api.wallet().then(setWallet, () => undefined);
  }, [api]);

  const settleIncoming = useCallback(
    (callId: string) => setIncoming((requests) => requests.filter((request) => request.callId !== callId)),
    [],
  );

  useEffect(() => {
    const receive = (event: ServerEvent) => {
      if (event.type === 'WALLET') setWallet(event);
      else if (event.type === 'PRESENCE')
        setPresence((known) => new Map(known).set(event.modelId, event.online));
      else if (event.type === 'CALL_REQUESTED') setIncoming((requests) => withRequest(requests, event));
      else if (event.type === 'CALL_STATE' && event.state !== 'REQUESTED') settleIncoming(event.callId);
    };
    const stopEvents = events.on('event', receive);
    const stopOnline = events.on('online', (standing) => {
      setConnected(standing);
      if (!standing) return;
      setPresence(new Map());
      setIncoming([]);
      setEpoch((count) => count + 1);
      reloadWallet();
    });
    events.start();
    return () => {
      stopEvents();
      stopOnline();
      events.stop();
    };
  }, [events, reloadWallet, settleIncoming]);

  const isCreator = me.role === 'creator';
  useEffect(() => {
    // Told again on every connection: the server forgets it with the last one.
    if (isCreator && epoch > 0) events.send({ type: 'SET_PRESENCE', online });
  }, [events, isCreator, online, epoch]);

  const setOnline = useCallback((wish: boolean) => {
    localStorage.setItem(ONLINE_KEY, wish ? 'yes' : 'no');
    setOnlineWish(wish);
  }, []);

  const onCallState = useCallback(
    (listener: (event: { callId: string; state: string }) => void) =>
      events.on('event', (event) => {
        if (event.type === 'CALL_STATE') listener(event);
      }),
    [events],
  );

  const live = useMemo(
    () => ({
      connected,
      wallet,
      reloadWallet,
      presence,
      incoming,
      settleIncoming,
      online,
      setOnline,
      onCallState,
      epoch,
    }),
    [
      connected,
      wallet,
      reloadWallet,
      presence,
      incoming,
      settleIncoming,
      online,
      setOnline,
      onCallState,
      epoch,
    ],
  );
  return <LiveContext value={live}>{children}</LiveContext>;
}

function withRequest(
  requests: readonly IncomingRequest[],
  event: Extract<ServerEvent, { type: 'CALL_REQUESTED' }>,
): readonly IncomingRequest[] {
  const others = requests.filter((request) => request.callId !== event.callId);
  const request = {
    callId: event.callId,
    fanId: event.fan.userId,
    fanName: event.fan.displayName ?? 'A fan',
    pricePerMinuteMinor: event.pricePerMinuteMinor,
    currency: event.currency,
    expiresAt: event.expiresAt,
  };
  return [...others, request].slice(-MAX_INCOMING);
}
