"""INSERT ... ON CONFLICT for both databases.

SQLite took the clause over from PostgreSQL, and SQLAlchemy compiles PostgreSQL's construct for either; SQLite's own
construct compiles for SQLite only.
"""

from sqlalchemy.dialects.postgresql import insert

__all__ = ["insert"]
