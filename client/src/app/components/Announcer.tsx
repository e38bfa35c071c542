import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import { Icon } from './Icon';

type Tone = 'info' | 'good' | 'bad';

interface Notice {
  id: number;
  text: string;
  tone: Tone;
}

/** A notice stays long enough to be read twice. */
const NOTICE_MS = 6_000;
const MAX_NOTICES = 3;

const AnnounceContext = createContext<(text: string, tone?: Tone) => void>(() => undefined);

/** Says short things to everybody: shown at the edge of the page, and read out by screen readers. */
export function Announcer({ children }: { children: ReactNode }) {
  const [notices, setNotices] = useState<readonly Notice[]>([]);
  const announce = useCallback((text: string, tone: Tone = 'info') => {
    setNotices((shown) => [...shown.slice(1 - MAX_NOTICES), { id: (shown.at(-1)?.id ?? 0) + 1, text, tone }]);
  }, []);
  const dismiss = useCallback((id: number) => setNotices((shown) => shown.filter((n) => n.id !== id)), []);
  return (
    <AnnounceContext value={useMemo(() => announce, [announce])}>
      {children}
      <div className="notices" role="status" aria-live="polite">
        {notices.map((notice) => (
          <NoticeCard key={notice.id} notice={notice} dismiss={dismiss} />
        ))}
      </div>
    </AnnounceContext>
  );
}

export function useAnnounce(): (text: string, tone?: Tone) => void {
  return useContext(AnnounceContext);
}

function NoticeCard({ notice, dismiss }: { notice: Notice; dismiss: (id: number) => void }) {
  useEffect(() => {
    const timer = setTimeout(() => dismiss(notice.id), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice.id, dismiss]);
  return (
    <div className={`notice notice-${notice.tone}`}>
      <Icon name={notice.tone === 'good' ? 'check' : notice.tone === 'bad' ? 'alert' : 'info'} />
      <p>{notice.text}</p>
      <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => dismiss(notice.id)}>
        <Icon name="close" />
      </button>
    </div>
  );
}
