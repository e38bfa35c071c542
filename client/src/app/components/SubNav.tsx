import { Link, useLocation } from 'wouter';

/** The pages within a page. */
export function SubNav({ label, links }: { label: string; links: readonly { to: string; label: string }[] }) {
  const [location] = useLocation();
  return (
    <nav className="sub-nav" aria-label={label}>
      {links.map(({ to, label }) => (
        <Link key={to} href={to} aria-current={location === to ? 'page' : undefined}>
          {label}
        </Link>
      ))}
    </nav>
  );
}
