import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import type { Battle, Me } from '@/api/schemas';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { type Loaded, useLoad } from '../state/useLoad';
import { BattleController, type BattleSnapshot } from './BattleController';

/** The battle by its room, kept fresh across lost connections. */
export function useBattle(roomId: string): Loaded<Battle> {
  const { api } = useSession();
  const { epoch } = useLive();
  return useLoad(
    useCallback(() => {
      // News may have been missed while there was no connection.
      void epoch;
      return api.battle(roomId);
    }, [api, roomId, epoch]),
  );
}

/** A controller for as long as the person is inside; null at the door. `battle` is what it was on entering. */
export function useBattleController(battle: Battle | null, me: Me): BattleController | null {
  const { api } = useSession();
  const [controller, setController] = useState<BattleController | null>(null);
  useEffect(() => {
    if (battle === null) return;
    const created = new BattleController({ api, battle, myId: me.userId, myName: me.displayName });
    setController(created);
    void created.join();
    return () => {
      created.dispose();
      setController(null);
    };
  }, [api, battle, me.userId, me.displayName]);
  return controller;
}

export function useBattleSnapshot(controller: BattleController): BattleSnapshot {
  return useSyncExternalStore(controller.subscribe, controller.snapshot);
}
