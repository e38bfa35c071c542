"""The database, the one writer that commits in groups, and what every store shares: schema, paging, idempotency."""
