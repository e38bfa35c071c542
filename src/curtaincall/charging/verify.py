"""Proves the sessions against the ledger and the tariff: beside `ledger.verify`, which proves the books themselves."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from curtaincall.charging import store
from curtaincall.charging.model import CHARGED, OVER, disputed_state
from curtaincall.charging.records import StoredSession
from curtaincall.payments.ports import DisputeState

_OF_LEDGER = text(
    """SELECT t.ref AS session_id,
              SUM(CASE WHEN t.kind = 'post' THEN t.amount_minor ELSE 0 END) AS posted_minor,
              SUM(CASE WHEN t.kind = 'pending' AND NOT EXISTS
                    (SELECT 1 FROM ledger_transfers r WHERE r.pending_seq = t.seq)
                  THEN t.amount_minor ELSE 0 END) AS held_minor
       FROM ledger_transfers t WHERE t.purpose = 'call' GROUP BY t.ref"""
)


_UNLOCKS = text(
    """SELECT t.ref AS session_id,
              SUM(CASE WHEN d.kind = 'wallet' THEN t.amount_minor ELSE -t.amount_minor END) AS charged_minor
       FROM ledger_transfers t JOIN ledger_accounts d ON d.account_id = t.debit_account_id
       JOIN paid_sessions s ON s.session_id = t.ref
       WHERE t.purpose = 'instant_unlock' GROUP BY t.ref"""
)

_MINUTES = text(
    """SELECT m.entitlement_id FROM included_minutes m WHERE m.taken_ms <> COALESCE(
         (SELECT SUM(s.reserved_ms) FROM paid_sessions s
          WHERE s.included_entitlement_id = m.entitlement_id AND s.included_period_ms = m.period_ms), 0)"""
)

_DISPUTES = text("SELECT session_id, state FROM session_disputes")


def verify_sessions(tx: Connection) -> tuple[str, ...]:
    """What does not hold of the sessions on one snapshot; nothing, if all is in order."""
    of_ledger = {row.session_id: (row.held_minor, row.posted_minor) for row in tx.execute(_OF_LEDGER)}
    unlocks = {row.session_id: row.charged_minor for row in tx.execute(_UNLOCKS)}
    disputes: dict[str, list[DisputeState]] = {}
    for row in tx.execute(_DISPUTES):
        disputes.setdefault(row.session_id, []).append(DisputeState(row.state))
    problems: list[str] = []
    for session in store.every_session(tx):
        found = of_ledger.pop(session.session_id, (0, 0))
        problems += [f"{problem}: {session.session_id}" for problem in _problems(session, found)]
        if session.unlock.charged_minor != unlocks.get(session.session_id, 0):
            problems.append(f"unlock and ledger differ: {session.session_id}")
        if session.state in CHARGED and session.state is not disputed_state(disputes.get(session.session_id, ())):
            problems.append(f"session and its disputes differ: {session.session_id}")
    problems += [f"money moved for a session that is not known: {session_id}" for session_id in of_ledger]
    problems += [
        f"included minutes and the sessions that have them differ: {row.entitlement_id}" for row in tx.execute(_MINUTES)
    ]
    return tuple(problems)


def _problems(session: StoredSession, of_ledger: tuple[int, int]) -> Iterator[str]:
    books, tariff, inclusion = session.books, session.tariff, session.inclusion
    if (books.held_minor, books.posted_minor) != of_ledger:
        yield "session and ledger differ"
    if session.state in OVER and of_ledger[0] != 0:
        yield "session is over and holds money"
    if tariff.charge_minor(books.granted_ms) > books.covered_minor and session.state not in OVER:
        yield "more was granted than held"
    if books.posted_minor > tariff.owed_minor(books.used_ms):
        yield "more was charged than the tariff says"
    if session.state in OVER and inclusion is not None:
        used_ms = min(books.used_ms, tariff.included_ms)
        if inclusion.reserved_ms not in (0, used_ms):
            yield "session is over and keeps included minutes that it did not use"
