import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import { useLocation } from 'wouter';
import type { Call, Me } from '@/api/schemas';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { type Loaded, useLoad } from '../state/useLoad';
import { CallController, type CallSnapshot } from './CallController';

/** The call by its id, kept fresh by what the server tells. */
export function useCall(callId: string): Loaded<Call> {
  const { api } = useSession();
  const { onCallState, epoch } = useLive();
  const loaded = useLoad(
    useCallback(() => {
      // News may have been missed while there was no connection.
      void epoch;
      return api.call(callId);
    }, [api, callId, epoch]),
  );
  const { reload } = loaded;
  useEffect(
    () =>
      onCallState((event) => {
        if (event.callId === callId) reload();
      }),
    [onCallState, callId, reload],
  );
  return loaded;
}

/** A controller for as long as the page shows the call. */
export function useCallController(call: Call | undefined, me: Me): CallController | null {
  const { api } = useSession();
  const [, navigate] = useLocation();
  const [controller, setController] = useState<CallController | null>(null);
  const known = call !== undefined;
  const latest = useLatest({ call, navigate });

  useEffect(() => {
    const { call } = latest.current;
    if (!known || call === undefined) return;
    const created = new CallController({
      api,
      call,
      myId: me.userId,
      navigate: (url) => latest.current.navigate(url),
    });
    setController(created);
    return () => created.dispose();
  }, [api, known, me.userId, latest]);
  return controller;
}

export function useCallSnapshot(controller: CallController): CallSnapshot {
  return useSyncExternalStore(controller.subscribe, controller.snapshot);
}

/** A value that effects may read without running again when it changes. */
function useLatest<T>(value: T): { readonly current: T } {
  const [box] = useState<{ current: T }>(() => ({ current: value }));
  useEffect(() => {
    box.current = value;
  });
  return box;
}
