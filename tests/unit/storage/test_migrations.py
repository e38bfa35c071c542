"""The migrations: they make exactly the tables that the stores use, and running them again changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from curtaincall.access import store as access_store  # noqa: F401 - declares tables
from curtaincall.accounts import store as accounts_store  # noqa: F401 - declares tables
from curtaincall.backoffice import audit  # noqa: F401 - declares tables
from curtaincall.charging import allowances, credit_store, disputes, rates, store  # noqa: F401 - declares tables
from curtaincall.ledger import store as ledger_store  # noqa: F401 - declares tables
from curtaincall.payments import (  # noqa: F401 - declares tables
    dispute_store,
    inbox,
    payout_store,
    recharge,
    refund_store,
    sandbox,
    takeback,
)
from curtaincall.payments import store as payments_store  # noqa: F401 - declares tables
from curtaincall.purchases import store as purchases_store  # noqa: F401 - declares tables
from curtaincall.rooms import store as rooms_store  # noqa: F401 - declares tables
from curtaincall.storage import idempotency  # noqa: F401 - declares tables
from curtaincall.storage.database import Database, alembic_config, migrate, open_database
from curtaincall.storage.schema import metadata
from curtaincall.subscriptions import store as subscriptions_store  # noqa: F401 - declares tables


@pytest.fixture
def database(tmp_path: Path, empty_database_url: str) -> Iterator[Database]:
    database = open_database(tmp_path, empty_database_url)
    yield database
    database.close()


def test_the_migrated_database_is_what_the_stores_declare(database: Database) -> None:
    migrate(database)
    migrate(database)

    def ours(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        return kind != "table" or name in metadata.tables

    with database.writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_revisions_follow_one_another_in_one_line(database: Database) -> None:
    with database.writer.begin() as connection:
        scripts = ScriptDirectory.from_config(alembic_config(connection))
        assert len(scripts.get_heads()) == 1
        revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions[::-1][:2] == ["0001_ledger", "0002_charging"]


def test_a_ledger_with_money_in_it_survives_the_next_step(database: Database) -> None:
    with database.writer.begin() as connection:
        command.upgrade(alembic_config(connection), "0001_ledger")
        connection.execute(text("INSERT INTO ledger_accounts VALUES ('wallet:EUR:fan', 'wallet', 'fan', 'EUR')"))
        connection.execute(text("INSERT INTO ledger_balances VALUES ('wallet:EUR:fan', 700, 0, 0)"))
    migrate(database)
    with database.reader.begin() as connection:
        assert connection.execute(text("SELECT credits_posted_minor FROM ledger_balances")).scalar_one() == 700


def test_a_migration_that_fails_leaves_nothing_behind(database: Database) -> None:
    with database.writer.begin() as connection:
        connection.execute(text("CREATE TABLE paid_sessions (in_the_way INTEGER)"))
    with pytest.raises(Exception, match="already exists"):
        migrate(database)
    with database.reader.begin() as connection:
        assert inspect(connection).get_table_names() == ["paid_sessions"]
