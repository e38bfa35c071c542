import { Link } from 'wouter';
import { useTitle } from '../state/useTitle';

export function NotFoundPage() {
  useTitle('Not found');
  return (
    <div className="empty">
      <p className="empty-figure" aria-hidden="true">
        404
      </p>
      <h1>Nothing behind this curtain</h1>
      <p className="muted">The page does not exist, or it is not for you.</p>
      <Link href="/models" className="button button-primary">
        See who is online
      </Link>
    </div>
  );
}
