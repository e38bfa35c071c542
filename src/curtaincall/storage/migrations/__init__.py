"""Alembic's scripts: expand first, contract in a later release; each revision runs once, in one transaction."""
