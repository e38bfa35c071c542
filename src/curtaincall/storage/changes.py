"""Counts what is written on a connection, so that the executor knows whether a command that refused left something."""

from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

_COUNT: Final = "curtaincall_changes"


def watch_changes(engine: Engine) -> None:
    """Count the statements on this engine's connections that are no plain SELECT, and those that failed."""
    event.listen(engine, "before_cursor_execute", _before_statement)
    event.listen(engine, "handle_error", _failed)


def changes(tx: Connection) -> int:
    """Grows with whatever may have to be undone; only a difference means something."""
    return int(tx.info.get(_COUNT, 0))


def note_change(tx: Connection) -> None:
    """To be called by who writes without SQLAlchemy's own execution."""
    tx.info[_COUNT] = tx.info.get(_COUNT, 0) + 1


def _before_statement(
    tx: Connection, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
) -> None:
    if not statement.startswith("SELECT"):
        note_change(tx)


def _failed(context: ExceptionContext) -> None:
    if context.connection is not None:
        note_change(context.connection)
