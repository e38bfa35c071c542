import { type RefObject, useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import type { Conference, Me } from '@/api/schemas';
import { useSession } from '../state/session';
import { type Loaded, useLoad } from '../state/useLoad';
import { ConferenceController, type ConferenceSnapshot } from './ConferenceController';

export function useConference(roomId: string): Loaded<Conference> {
  const { api } = useSession();
  return useLoad(useCallback(() => api.conference(roomId), [api, roomId]));
}

/** A controller for as long as the page shows the conference. */
export function useConferenceController(conference: Conference, me: Me): ConferenceController | null {
  const { api } = useSession();
  const [controller, setController] = useState<ConferenceController | null>(null);
  useEffect(() => {
    const created = new ConferenceController({ api, conference, myId: me.userId });
    setController(created);
    return () => {
      created.dispose();
      setController(null);
    };
  }, [api, conference, me.userId]);
  return controller;
}

export function useConferenceSnapshot(controller: ConferenceController): ConferenceSnapshot {
  return useSyncExternalStore(controller.subscribe, controller.snapshot);
}

/** How large an element is, in CSS pixels; zero before it is known. */
export function useSize(element: RefObject<HTMLElement | null>): { width: number; height: number } {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    if (element.current === null || globalThis.ResizeObserver === undefined) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return size;
}
