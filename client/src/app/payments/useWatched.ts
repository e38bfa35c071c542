import { useEffect } from 'react';
import { watch } from './topUp';

/** Looks at something on its way until it is done, for as long as `id` stands; null: nothing to look at. */
export function useWatched<T>(
  id: string | null,
  look: (id: string) => Promise<T>,
  done: (seen: T) => boolean,
  onDone: (seen: T | null) => void,
): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: one watch per id; the functions are asked for anew each time
  useEffect(() => {
    if (id === null) return;
    const stop = new AbortController();
    watch(() => look(id), done, stop.signal).then((seen) => {
      if (!stop.signal.aborted) onDone(seen);
    });
    return () => stop.abort();
  }, [id]);
}
