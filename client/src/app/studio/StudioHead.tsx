import { SubNav } from '../components/SubNav';

const LINKS = [
  { to: '/studio', label: 'Stage' },
  { to: '/studio/earnings', label: 'Earnings' },
] as const;

/** What stands above both pages of the studio. */
export function StudioHead() {
  return (
    <header className="page-head">
      <h1>Studio</h1>
      <SubNav label="Studio" links={LINKS} />
    </header>
  );
}
