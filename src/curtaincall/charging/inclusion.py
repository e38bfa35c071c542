"""What a subscription includes of one session: functions of the session's own transactions.

Minutes of a period are kept for a session when it begins, so that two calls cannot use the same ones, and what is not
used returns with the settlement. No grant of included time goes beyond the end of what is paid for.
"""

from dataclasses import replace

from sqlalchemy import Connection

from curtaincall.access.model import IncludedCalls, SubscriptionCalls
from curtaincall.access.service import calls_included
from curtaincall.charging import allowances, store
from curtaincall.charging.records import Inclusion, StoredSession
from curtaincall.charging.tariff import Books, Tariff, still_included_ms


def foreseen(tx: Connection, payer_id: str, payee_id: str, tariff: Tariff, now_ms: int) -> Tariff:
    """The tariff with what would be included if the session began now. Keeps nothing."""
    included = calls_included(tx, payer_id, payee_id, now_ms)
    if included is None:
        return tariff
    rest_ms = max(0, included.period_until_ms - now_ms)
    if included.kind is SubscriptionCalls.MINUTES:
        left_ms = allowances.minutes_left_ms(tx, included.entitlement_id, included.period_from_ms, included.minutes_ms)
        rest_ms = min(rest_ms, left_ms)
    return replace(tariff, included_ms=rest_ms)


def begin(tx: Connection, session: StoredSession, now_ms: int) -> Inclusion | None:
    """Find out what is included, and keep the minutes for the session."""
    included = calls_included(tx, session.payer_id, session.payee_id, now_ms)
    if included is None:
        return None
    rest_ms, reserved_ms = max(0, included.period_until_ms - now_ms), 0
    if included.kind is SubscriptionCalls.MINUTES:
        reserved_ms = rest_ms = allowances.take_minutes(
            tx, included.entitlement_id, included.period_from_ms, included.minutes_ms, rest_ms
        )
    if rest_ms == 0:
        return None
    return Inclusion(included.entitlement_id, included.period_from_ms, rest_ms, reserved_ms)


def go_on(tx: Connection, session: StoredSession, books: Books, now_ms: int) -> Inclusion | None:
    """What is included now that the session is under way: the subscription may have been renewed, or have ended."""
    inclusion = session.inclusion
    if inclusion is None or books.granted_ms > session.tariff.included_ms:
        return inclusion
    included = calls_included(tx, session.payer_id, session.payee_id, now_ms)
    allowance_ms = books.used_ms + _rest_ms(included, inclusion, now_ms)
    if inclusion.reserved_ms > 0:
        allowance_ms = min(allowance_ms, inclusion.reserved_ms)
    return replace(inclusion, included_ms=still_included_ms(session.tariff, books, allowance_ms))


def end(tx: Connection, session: StoredSession, used_ms: int) -> None:
    """Give back the minutes that were kept and not used."""
    inclusion = session.inclusion
    if inclusion is None or inclusion.reserved_ms == 0:
        return
    unused_ms = inclusion.reserved_ms - min(used_ms, inclusion.included_ms)
    if unused_ms > 0:
        allowances.return_minutes(tx, inclusion.entitlement_id, inclusion.period_ms, unused_ms)
        store.save_inclusion(tx, session.session_id, replace(inclusion, reserved_ms=inclusion.reserved_ms - unused_ms))


def _rest_ms(included: IncludedCalls | None, inclusion: Inclusion, now_ms: int) -> int:
    if included is None or included.entitlement_id != inclusion.entitlement_id:
        return 0
    return max(0, included.period_until_ms - now_ms)
