import { SubNav } from '../components/SubNav';
import { useSession } from '../state/session';

const LINKS = [
  { to: '/wallet', label: 'Money' },
  { to: '/wallet/cards', label: 'Cards' },
] as const;

/** Fans have a tab of their own for these; creators, whose tabs are full, come this way. */
const SUBSCRIPTIONS = { to: '/subscriptions', label: 'Subscriptions' } as const;

/** What stands above both pages of the wallet. */
export function WalletHead() {
  const { me } = useSession();
  return (
    <header className="page-head">
      <h1>Wallet</h1>
      <SubNav label="Wallet" links={me?.role === 'creator' ? [...LINKS, SUBSCRIPTIONS] : LINKS} />
    </header>
  );
}
