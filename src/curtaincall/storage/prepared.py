"""Statements for the few paths that run thousands of times a second: compiled once, then run on the driver's cursor.

SQLAlchemy's own execution costs more than SQLite's or a PostgreSQL round trip. What it does for us is kept: one way to
write statements for both databases, and its exceptions. What it does to values is not: a prepared statement takes and
gives text and integers as they are.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import psycopg
from sqlalchemy import ClauseElement, Connection, Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError

from curtaincall.storage.changes import note_change

_DIALECTS: Final[Mapping[str, Callable[[], Dialect]]] = {
    "sqlite": lambda: sqlite.dialect(paramstyle="qmark"),
    "postgresql": lambda: postgresql.psycopg.dialect(paramstyle="format"),  # type: ignore[no-untyped-call] # SQLAlchemy
}
"""With parameters by position on both, so that a value is looked up once."""


class _Compiled:
    """The text for one database, and its parameters in order: names, and the values that are in the statement."""

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        self._names: list[str] = list(compiled.positiontup or ())  # type: ignore[attr-defined] # of SQLCompiler
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def arguments(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        known = {**self._constants, **values}
        return tuple([known[name] for name in self._names])


class Prepared:
    """One statement. Every parameter (`bindparam`) has to be given: a missing one is a KeyError."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, tx: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a query."""
        found: list[tuple[Any, ...]] = self._execute(tx, values).fetchall()
        return found

    def write(self, tx: Connection, values: Mapping[str, Any]) -> int:
        """Run what writes; returns the number of rows that it touched."""
        touched: int = self._execute(tx, values).rowcount
        if touched != 0:
            note_change(tx)
        return touched

    def write_many(self, tx: Connection, values: Iterable[Mapping[str, Any]]) -> None:
        """Run what writes once for each, in one go of the driver's."""
        compiled = self._for(tx)
        driver: Any = tx.connection.driver_connection
        arguments = [compiled.arguments(row) for row in values]
        note_change(tx)
        try:
            driver.cursor().executemany(compiled.sql, arguments)
        except (sqlite3.Error, psycopg.Error) as error:
            raise _as_sqlalchemy_tells(tx, compiled.sql, arguments[0], error, driver) from error

    def _for(self, tx: Connection) -> _Compiled:
        compiled = self._compiled.get(tx.dialect.name)
        if compiled is None:
            compiled = _Compiled(self._statement, _DIALECTS[tx.dialect.name]())
            self._compiled[tx.dialect.name] = compiled
        return compiled

    def _execute(self, tx: Connection, values: Mapping[str, Any]) -> Any:
        compiled = self._for(tx)
        driver: Any = tx.connection.driver_connection
        arguments = compiled.arguments(values)
        try:
            return driver.execute(compiled.sql, arguments)
        except (sqlite3.Error, psycopg.Error) as error:
            raise _as_sqlalchemy_tells(tx, compiled.sql, arguments, error, driver) from error


def _as_sqlalchemy_tells(
    tx: Connection, sql: str, arguments: tuple[Any, ...], error: Exception, driver: DBAPIConnection
) -> BaseException:
    note_change(tx)
    if tx.dialect.is_disconnect(error, driver, None):  # type: ignore[arg-type] # a driver's error, whichever
        tx.invalidate(error)
    return DBAPIError.instance(sql, arguments, error, Exception, dialect=tx.dialect)
