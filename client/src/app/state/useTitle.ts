import { useEffect } from 'react';

const SITE = 'Curtaincall';

/** Names the page in the browser's tab, and to screen readers, for as long as it is shown. Null: whatever it was. */
export function useTitle(title: string | null): void {
  useEffect(() => {
    if (title === null) return;
    const before = document.title;
    document.title = `${title} · ${SITE}`;
    return () => {
      document.title = before;
    };
  }, [title]);
}
