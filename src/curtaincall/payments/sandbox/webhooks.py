"""The sandbox's webhooks: announced with what happened, sent afterwards; some twice, late, and out of order."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.kernel.ids import IdFactory
from curtaincall.payments import signature
from curtaincall.payments.errors import WebhookMalformed
from curtaincall.payments.ports import EventKind, WebhookEvent
from curtaincall.payments.sandbox import store
from curtaincall.payments.sandbox.rules import SandboxRules, delays_ms
from curtaincall.storage.executor import WriteExecutor

SIGNATURE_HEADER: Final = "sandbox-signature"

MAX_ATTEMPTS: Final = 12
"""How often a webhook is sent that nobody takes; then it is dropped, as real gateways do."""

RETRY_MS: Final = 1_000
"""From the first attempt to the second; doubled each time."""

MAX_FIELD_CHARS: Final = 255

_KINDS: Final = {kind.value: kind for kind in EventKind}
"""By the family of the event's type: `charge.succeeded`."""

Receive = Callable[[Mapping[str, str], bytes], Awaitable[object]]
"""Takes a webhook as HTTP would bring it: lower-case headers, raw body. Refuses by raising."""

log = logging.getLogger(__name__)


class Webhooks:
    """Announces, sends, and recognises its own."""

    def __init__(
        self, executor: WriteExecutor, clock: Clock, new_id: IdFactory, rules: SandboxRules, secret: str
    ) -> None:
        self._executor = executor
        self._clock = clock
        self._new_id = new_id
        self._rules = rules
        self._secret = secret

    def announce(self, tx: Connection, event_type: str, object_id: str, key: str | None = None) -> None:
        """Have a webhook sent, within the transaction of what it tells."""
        now_ms = self._clock.now_ms()
        event_id = f"evt_{self._new_id()}"
        event = {
            "id": event_id,
            "type": event_type,
            "created": now_ms // 1000,
            "data": {"object": {"id": object_id, "key": key}},
        }
        rows = [
            {
                "delivery_id": f"{event_id}:{number}",
                "event_id": event_id,
                "body": json.dumps(event),
                "attempts": 0,
                "due_at_ms": now_ms + delay_ms,
            }
            for number, delay_ms in enumerate(delays_ms(self._rules, f"{event_type}:{object_id}"))
        ]
        tx.execute(store.deliveries.insert(), rows)

    async def send(self, receive: Receive) -> int:
        """Send what is due, signed now. Returns how many were taken."""
        now_ms = self._clock.now_ms()
        due = await self._executor.read(lambda tx: store.due(tx, store.deliveries, now_ms))
        return sum([await self._send(row, receive) for row in due])

    async def _send(self, row: Row[Any], receive: Receive) -> bool:
        raw_body = row.body.encode()
        headers = {SIGNATURE_HEADER: signature.sign(self._secret, raw_body, self._clock.now_ms() // 1000)}
        try:
            await receive(headers, raw_body)
        except CurtaincallError as refusal:
            log.warning("sandbox_webhook_refused", extra={"event_id": row.event_id, "code": refusal.code})
            if row.attempts + 1 < MAX_ATTEMPTS:
                due_at_ms = self._clock.now_ms() + (RETRY_MS << row.attempts)
                await self._executor.submit(
                    lambda tx, id_: store.postpone_delivery(tx, id_, due_at_ms), row.delivery_id
                )
                return False
            await self._executor.submit(store.drop_delivery, row.delivery_id)
            return False
        await self._executor.submit(store.drop_delivery, row.delivery_id)
        return True

    def _try_again(self, tx: Connection, row: Row[Any]) -> None:
        if row.attempts + 1 < MAX_ATTEMPTS:
            store.postpone_delivery(tx, row.delivery_id, self._clock.now_ms() + (RETRY_MS << row.attempts))
        else:
            store.drop_delivery(tx, row.delivery_id)

    async def waiting(self) -> int:
        """How many webhooks are still to be sent."""
        return await self._executor.read(lambda tx: len(tx.execute(select(store.deliveries.c.delivery_id)).all()))

    def verify(self, headers: Mapping[str, str], raw_body: bytes, now_ms: int) -> WebhookEvent:
        """Raises WebhookForged, WebhookStale, WebhookFromFuture, WebhookMalformed."""
        signature.check(self._secret, headers.get(SIGNATURE_HEADER), raw_body, now_ms, self._rules.tolerance_s)
        try:
            event = json.loads(raw_body)
            told = event["data"]["object"]
            event_id, event_type, object_id, key = event["id"], event["type"], told["id"], told.get("key")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise WebhookMalformed("This is not an event.") from None
        for value in (event_id, event_type, object_id, "" if key is None else key):
            if not isinstance(value, str) or len(value) > MAX_FIELD_CHARS:
                raise WebhookMalformed("This is not an event.")
        kind = _KINDS.get(event_type.partition(".")[0], EventKind.UNKNOWN)
        return WebhookEvent(event_id, event_type, kind, object_id, key)
