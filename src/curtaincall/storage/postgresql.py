"""PostgreSQL, by psycopg: READ COMMITTED for writing, one snapshot for reading, waits that are bounded.

Several transactions write at the same time. A command touches guarded accounts in sorted order, so that two commands
never wait for each other; two *groups* of commands can. Waits are therefore short (well below the time after which the
server looks for deadlocks): a group that has waited in vain is rolled back, and its commands are run one by one.
"""

from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from curtaincall.storage.backend import Fault
from curtaincall.storage.errors import DataInUse

CONNECT_TIMEOUT_S: Final = 5

LOCK_TIMEOUT_MS: Final = 250
"""How long a statement waits for what somebody else's transaction has locked; then the executor tries again.

A quarter of the time after which the server looks for deadlocks, and many times what a group of commands takes.
"""

MIGRATION_LOCK_TIMEOUT_MS: Final = 60_000
"""How long a migration waits for another one, and for the commands of a server that runs."""

SESSION: Final = {
    "lock_timeout": LOCK_TIMEOUT_MS,
    "timezone": "UTC",
    # A server whose machine died still has the claim until its connection is found to be dead: after a minute.
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
}
"""What every connection is set to."""

MIGRATION_LOCK: Final = 0x6375727401
CLAIM_LOCK: Final = 0x6375727402
"""Numbers of advisory locks: nobody else's, in a database of our own."""

CONFLICTS: Final = frozenset({"40001", "40P01", "55P03"})
"""Serialisation failure, deadlock, and a lock that was not to be had in time."""
TWINS: Final = frozenset({"23505", "23514"})
"""A unique row that is there, a CHECK that fails: true of a command whose twin was committed since it looked."""
CANCELLED: Final = "57014"
OUT_OF_ORDER_CLASSES: Final = frozenset({"53", "58"})
"""Resources (memory, disk, connections) and errors of the system below."""
LOST_CLASSES: Final = frozenset({"08", "57"})
"""Broken connections, and a server that was told to stop."""


class Postgresql:
    """A database on a server; `writers` transactions write at the same time."""

    name = "postgresql"

    def __init__(self, url: str, writers: int) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")  # whatever the scheme: postgres:// is common
        self.writers = writers

    def writer(self) -> Engine:
        return _engine(self._url, connections=self.writers, isolation="READ COMMITTED", read_only=False)

    def reader(self, connections: int) -> Engine:
        return _engine(self._url, connections=connections, isolation="REPEATABLE READ", read_only=True)

    def intact(self, tx: Connection) -> bool:
        # The server answers COMMIT with a rollback, and no error, if a statement had failed.
        status = tx.connection.driver_connection.info.transaction_status  # type: ignore[union-attr] # psycopg's
        return status is not TransactionStatus.INERROR

    def fault(self, error: Exception) -> Fault:
        said = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(said, psycopg.Error):
            return Fault.STATEMENT
        if isinstance(said, psycopg.DataError):
            return Fault.VALUE
        state = said.sqlstate
        if state in CONFLICTS:
            return Fault.CONFLICT
        if state in TWINS:
            return Fault.TWIN
        if state == CANCELLED or (state or "")[:2] in OUT_OF_ORDER_CLASSES:
            return Fault.OUT_OF_ORDER
        if (state or "")[:2] in LOST_CLASSES or (state is None and isinstance(said, psycopg.OperationalError)):
            return Fault.LOST
        return Fault.STATEMENT

    def serialise_migrations(self, tx: Connection) -> None:
        tx.exec_driver_sql(f"SET LOCAL lock_timeout = {MIGRATION_LOCK_TIMEOUT_MS}")
        tx.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATION_LOCK})

    def claim(self) -> "AdvisoryClaim":
        return AdvisoryClaim(self._url)


class AdvisoryClaim:
    """A lock that the server holds for a connection of its own, and lets go of when that ends."""

    def __init__(self, url: URL) -> None:
        self._engine = _engine(url, connections=1, isolation="AUTOCOMMIT", read_only=False)
        self._connection = self._engine.connect()
        if not self._connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": CLAIM_LOCK}).scalar():
            self.release()
            raise DataInUse(f"Another server works on the database {url.database}.")

    def release(self) -> None:
        self._connection.close()
        self._engine.dispose()


def _engine(url: URL, *, connections: int, isolation: str, read_only: bool) -> Engine:
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        isolation_level=isolation,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "curtaincall",
            "options": " ".join(f"-c {name}={value}" for name, value in SESSION.items()),
        },
    )

    def on_connect(connection: Any, _record: Any) -> None:
        connection.read_only = read_only

    event.listen(engine, "connect", on_connect)
    return engine
