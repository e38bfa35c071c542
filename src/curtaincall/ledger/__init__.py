"""Double entry: accounts, immutable transfers and holds. The sole writer of money."""
