import { useCallback, useEffect, useRef, useState } from 'react';

export interface Loaded<T> {
  /** Undefined until it is there; kept while it is asked for again. */
  data: T | undefined;
  error: unknown;
  reload: () => void;
}

/** Loads something when the component appears and whenever `load` changes (keep it stable with `useCallback`). */
export function useLoad<T>(load: () => Promise<T>): Loaded<T> {
  const [data, setData] = useState<T>();
  const [error, setError] = useState<unknown>(null);
  /** Only the newest request may speak. */
  const newest = useRef(0);
  const reload = useCallback(() => {
    newest.current += 1;
    const request = newest.current;
    load().then(
      (loaded) => {
        if (request !== newest.current) return;
        setData(loaded);
        setError(null);
      },
      (failure) => {
        if (request === newest.current) setError(failure);
      },
    );
  }, [load]);
  useEffect(() => {
    reload();
    return () => {
      newest.current += 1;
    };
  }, [reload]);
  return { data, error, reload };
}

/** A button's action: whether it runs, what went wrong last time. Does not start twice. */
export function useAction<A extends readonly unknown[]>(
  action: (...args: A) => Promise<void>,
): { run: (...args: A) => void; busy: boolean; error: unknown; clear: () => void } {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const running = useRef(false);
  const run = (...args: A) => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    setError(null);
    action(...args)
      .catch(setError)
      .finally(() => {
        running.current = false;
        setBusy(false);
      });
  };
  return { run, busy, error, clear: () => setError(null) };
}
