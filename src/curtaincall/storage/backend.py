"""What the two databases do differently, as the rest of storage sees it: see `sqlite.py` and `postgresql.py`."""

from enum import StrEnum
from typing import Protocol

from sqlalchemy import Connection, Engine


class Fault(StrEnum):
    """What an error of the database means for the commands of the transaction that it ended."""

    STATEMENT = "statement"
    """The statement is wrong, or a constraint refuses it: its own command is to blame."""
    VALUE = "value"
    """A value is none that the database can keep."""
    CONFLICT = "conflict"
    """Somebody else's transaction was in the way (a lock, a deadlock): it may be tried again."""
    TWIN = "twin"
    """A constraint refuses, perhaps for what a twin of the command committed since that looked: it may look again."""
    OUT_OF_ORDER = "out_of_order"
    """The database cannot be worked with now (locked for too long, disk full): nothing was written."""
    LOST = "lost"
    """The connection broke. Whether a commit that was under way happened is not known."""


class Backend(Protocol):
    """One of the databases: how it is opened, and what its errors mean."""

    name: str
    """As SQLAlchemy calls the dialect."""

    writers: int
    """Transactions that may write at the same time."""

    def writer(self) -> Engine:
        """The engine for writing: its transactions see what others committed before each statement, or lock all."""

    def reader(self, connections: int) -> Engine:
        """The engine for reading: its transactions cannot write, and see one moment throughout."""

    def intact(self, tx: Connection) -> bool:
        """Whether the transaction can still be committed: false if a statement failed in it, whoever caught that."""

    def fault(self, error: Exception) -> Fault:
        """What an error that came out of a transaction means."""

    def serialise_migrations(self, tx: Connection) -> None:
        """Make a second process that migrates wait until this transaction has ended."""

    def claim(self) -> "Claim":
        """Become the one server on this data. Raises DataInUse."""


class Claim(Protocol):
    """The right to be the one server on some data, from the making until `release` or the end of the process.

    A second one would take the first one's open calls for what a crash left behind and settle them, while the first
    went on granting what is no longer held.
    """

    def release(self) -> None: ...
