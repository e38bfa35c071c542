"""What happens in the sandbox by itself: charges settle, payouts arrive or come back, card holders dispute.

Each change is guarded by what it changes from, so that two turns at the same time make it once.
"""

from typing import Any, Final

from sqlalchemy import Connection, Row, Table

from curtaincall.kernel.clock import Clock
from curtaincall.payments.ports import DisputeState
from curtaincall.payments.sandbox import store
from curtaincall.payments.sandbox.rules import SandboxRules
from curtaincall.payments.sandbox.webhooks import Webhooks

PLANNED: Final = "planned"
CANCELED: Final = "canceled"
REFUSED_BY_HOLDER: Final = "authentication_failed"


class Passage:
    """The passing of time, within transactions."""

    def __init__(self, webhooks: Webhooks, clock: Clock, rules: SandboxRules) -> None:
        self._webhooks = webhooks
        self._clock = clock
        self._rules = rules

    def until(self, tx: Connection, now_ms: int) -> int:
        """Change what is due by now, a batch of each kind. Returns how many objects changed."""
        changed = sum(self._settle(tx, store.payments, row, "charge") for row in store.due(tx, store.payments, now_ms))
        changed += sum(self._settle_refund(tx, row) for row in store.due(tx, store.refunds, now_ms))
        changed += sum(self._settle(tx, store.payouts, row, "payout") for row in store.due(tx, store.payouts, now_ms))
        return changed + sum(self._dispute(tx, row) for row in store.due(tx, store.disputes, now_ms))

    def holder_decides(self, tx: Connection, charge_id: str, *, confirms: bool) -> bool:
        """The holder confirms or refuses a charge that waits for it."""
        status, code = ("succeeded", None) if confirms else ("declined", REFUSED_BY_HOLDER)
        return self._decide_charge(tx, charge_id, status, code)

    def cancel(self, tx: Connection, charge_id: str) -> bool:
        """Decline a charge that its holder never confirmed."""
        return self._decide_charge(tx, charge_id, "declined", CANCELED)

    def _decide_charge(self, tx: Connection, charge_id: str, status: str, code: str | None) -> bool:
        decided = store.set_status(tx, store.payments, charge_id, "requires_action", status=status, code=code)
        if decided:
            charge = store.by_id(tx, store.payments, charge_id)
            assert charge is not None
            self._webhooks.announce(tx, f"charge.{status}", charge_id, charge.key)
        return decided

    def _settle(self, tx: Connection, table: Table, row: Row[Any], family: str) -> bool:
        object_id = str(row._mapping[store.IDENTITY[table.name].name])
        status = "succeeded" if row.code is None else "declined"
        settled = store.set_status(tx, table, object_id, "pending", status=status, due_at_ms=None)
        if settled:
            self._webhooks.announce(tx, f"{family}.{status}", object_id, row.key)
        return settled

    def _settle_refund(self, tx: Connection, row: Row[Any]) -> bool:
        settled = self._settle(tx, store.refunds, row, "refund")
        if settled and row.code is not None:
            store.take_from_charge(tx, row.charge_id, -row.amount_minor)  # it can be tried again
        return settled

    def _dispute(self, tx: Connection, row: Row[Any]) -> bool:
        decided = row.becomes in (DisputeState.WON, DisputeState.LOST)
        changed = store.set_status(
            tx,
            store.disputes,
            row.dispute_id,
            row.status,
            status=row.becomes,
            becomes=row.outcome,
            due_at_ms=None if decided else row.due_at_ms + self._rules.decide_after_ms,
        )
        if changed:
            event = "closed" if decided else "created"
            self._webhooks.announce(tx, f"dispute.{event}", row.dispute_id)
        return changed
