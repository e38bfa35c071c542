import { useCallback, useState } from 'react';

/** Kept for this tab, so that the receipt outlives the redirect after a call. */
const KEY = 'curtaincall.last-call';

export function rememberLastCall(callId: string): void {
  sessionStorage.setItem(KEY, callId);
}

export function useLastCall(): { callId: string | null; forget: () => void } {
  const [callId, setCallId] = useState(() => sessionStorage.getItem(KEY));
  const forget = useCallback(() => {
    sessionStorage.removeItem(KEY);
    setCallId(null);
  }, []);
  return { callId, forget };
}
