"""Proves the sessions against the ledger and the tariff: beside `ledger.verify`, which proves the books themselves."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from curtaincall.charging import store
from curtaincall.charging.model import OVER
from curtaincall.charging.store import StoredSession

_OF_LEDGER = text(
    """SELECT t.ref AS session_id,
              SUM(CASE WHEN t.kind = 'post' THEN t.amount_minor ELSE 0 END) AS posted_minor,
              SUM(CASE WHEN t.kind = 'pending' AND NOT EXISTS
                    (SELECT 1 FROM ledger_transfers r WHERE r.pending_seq = t.seq)
                  THEN t.amount_minor ELSE 0 END) AS held_minor
       FROM ledger_transfers t WHERE t.purpose = 'call' GROUP BY t.ref"""
)


def verify_sessions(tx: Connection) -> tuple[str, ...]:
    """What does not hold of the sessions on one snapshot; nothing, if all is in order."""
    of_ledger = {row.session_id: (row.held_minor, row.posted_minor) for row in tx.execute(_OF_LEDGER)}
    problems: list[str] = []
    for session in store.every_session(tx):
        found = of_ledger.pop(session.session_id, (0, 0))
        problems += [f"{problem}: {session.session_id}" for problem in _problems(session, found)]
    problems += [f"money moved for a session that is not known: {session_id}" for session_id in of_ledger]
    return tuple(problems)


def _problems(session: StoredSession, of_ledger: tuple[int, int]) -> Iterator[str]:
    books, tariff = session.books, session.tariff
    if (books.held_minor, books.posted_minor) != of_ledger:
        yield "session and ledger differ"
    if session.state in OVER and of_ledger[0] != 0:
        yield "session is over and holds money"
    if tariff.charge_minor(books.granted_ms) > books.covered_minor and session.state not in OVER:
        yield "more was granted than held"
    if books.posted_minor > max(tariff.charge_minor(books.used_ms), tariff.charge_minor(tariff.minimum_ms)):
        yield "more was charged than the tariff says"
