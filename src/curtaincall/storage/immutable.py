"""Tables whose rows are written once: triggers make the database refuse UPDATE and DELETE, whoever asks.

Named `{table}_refuse_update` and `{table}_refuse_delete` on both databases (`..._refuse_truncate` on PostgreSQL, which
has such a statement), so that `ledger verify` can look for them.
"""

from collections.abc import Iterable
from typing import Final

from alembic import op

REFUSED: Final = {"sqlite": ("update", "delete"), "postgresql": ("update", "delete", "truncate")}
"""What triggers refuse on which database."""

_POSTGRESQL_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION refuse_to_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is immutable', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def make_immutable(tables: Iterable[str]) -> None:
    """To be called by a migration, for tables that it has made."""
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        op.execute(_POSTGRESQL_FUNCTION)
    for table in tables:
        for verb in REFUSED[dialect]:
            name = f"{table}_refuse_{verb}"
            if dialect == "sqlite":
                op.execute(
                    f"CREATE TRIGGER {name} BEFORE {verb.upper()} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is immutable'); END"
                )
            else:
                op.execute(
                    f"CREATE TRIGGER {name} BEFORE {verb.upper()} ON {table} "
                    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite()"
                )
