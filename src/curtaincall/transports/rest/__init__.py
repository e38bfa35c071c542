"""REST: JSON over HTTP, refusals as problem details (RFC 9457)."""
