"""Statements: what moved somebody's money, in words, in pages, as CSV; and what a creator earned, day by day."""
