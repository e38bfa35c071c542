import type { ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { formatMoney } from '@/money/money';
import { useLive } from '../state/live';
import { useSession } from '../state/session';
import { Icon, type IconName } from './Icon';
import { Wordmark } from './Wordmark';

interface Tab {
  to: string;
  label: string;
  icon: IconName;
}

const MODELS: Tab = { to: '/models', label: 'Models', icon: 'models' };
const STUDIO: Tab = { to: '/studio', label: 'Studio', icon: 'studio' };
const BATTLES: Tab = { to: '/battles', label: 'Battles', icon: 'trophy' };
const SUBSCRIPTIONS: Tab = { to: '/subscriptions', label: 'Subscriptions', icon: 'repeat' };
const WALLET: Tab = { to: '/wallet', label: 'Wallet', icon: 'wallet' };

/** Four at most: so many fit side by side under a thumb. A creator's subscriptions are reached from the wallet. */
const TABS_OF_FANS = [MODELS, BATTLES, SUBSCRIPTIONS, WALLET] as const;
const TABS_OF_CREATORS = [STUDIO, MODELS, BATTLES, WALLET] as const;

/** What surrounds every page but the call: the name, the ways around, the balance. */
export function Frame({ children }: { children: ReactNode }) {
  const { me, signOut } = useSession();
  const { wallet, connected } = useLive();
  const tabs = me?.role === 'creator' ? TABS_OF_CREATORS : TABS_OF_FANS;
  return (
    <>
      <a className="skip-link" href="#main">
        Skip to content
      </a>
      <header className="top-bar">
        <Link href="/" className="brand" aria-label="Curtaincall, to the start">
          <Wordmark />
        </Link>
        <nav className="top-tabs" aria-label="Pages">
          <Tabs tabs={tabs} />
        </nav>
        <div className="top-end">
          {wallet !== null && (
            <Link
              href="/wallet"
              className="balance-pill"
              aria-label={`Wallet, ${formatMoney(wallet.availableMinor, wallet.currency)} available`}
            >
              <Icon name="wallet" />
              <span>{formatMoney(wallet.availableMinor, wallet.currency)}</span>
            </Link>
          )}
          <button
            type="button"
            className="icon-button"
            aria-label={`Sign out ${me?.displayName ?? ''}`}
            onClick={signOut}
          >
            <Icon name="leave" />
          </button>
        </div>
      </header>
      {!connected && (
        <p className="offline-bar" role="status">
          Connection lost. Trying to get back&hellip;
        </p>
      )}
      <main id="main" className="page" tabIndex={-1}>
        {children}
      </main>
      <nav className="bottom-tabs" aria-label="Pages">
        <Tabs tabs={tabs} />
      </nav>
    </>
  );
}

function Tabs({ tabs }: { tabs: readonly Tab[] }) {
  const [location] = useLocation();
  return tabs.map(({ to, label, icon }) => (
    <Link key={to} href={to} className="tab" aria-current={location.startsWith(to) ? 'page' : undefined}>
      <Icon name={icon} />
      <span>{label}</span>
    </Link>
  ));
}
