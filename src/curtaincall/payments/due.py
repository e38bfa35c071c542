"""Whether anything of payments is due: one question, so that a server without payments does next to nothing for it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from sqlalchemy import Column, ColumnElement, Connection, Table, bindparam, exists, or_, select

from curtaincall.payments.inbox import InboxStatus, webhook_inbox
from curtaincall.payments.payout_store import OPEN as OPEN_PAYOUTS
from curtaincall.payments.payout_store import payouts
from curtaincall.payments.refund_store import OPEN as OPEN_REFUNDS
from curtaincall.payments.refund_store import refunds
from curtaincall.payments.sandbox import store as sandbox
from curtaincall.payments.store import OPEN as OPEN_PAYMENTS
from curtaincall.payments.store import card_payments
from curtaincall.storage.prepared import Prepared


def _open_and_due(table: Table, statuses: Sequence[StrEnum], at_ms: Column[int]) -> ColumnElement[bool]:
    is_open = or_(*(table.c.status == status.value for status in statuses))
    return exists().where(is_open, at_ms <= bindparam("now_ms"))


def _due(table: Table) -> ColumnElement[bool]:
    return exists().where(table.c.due_at_ms <= bindparam("now_ms"))


_ANYTHING_DUE: Final = Prepared(
    select(
        or_(
            _open_and_due(webhook_inbox, (InboxStatus.RECEIVED,), webhook_inbox.c.next_attempt_at_ms),
            _open_and_due(card_payments, OPEN_PAYMENTS, card_payments.c.next_question_at_ms),
            _open_and_due(refunds, OPEN_REFUNDS, refunds.c.next_question_at_ms),
            _open_and_due(payouts, OPEN_PAYOUTS, payouts.c.next_question_at_ms),
            *(_due(table) for table in (*sandbox.CHANGING, sandbox.deliveries)),
        )
    )
)


def anything_due(tx: Connection, now_ms: int) -> bool:
    """Whether a round of the payments' loop would find anything to do by now."""
    return bool(_ANYTHING_DUE.rows(tx, {"now_ms": now_ms})[0][0])
