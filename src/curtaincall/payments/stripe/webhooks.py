"""Reads Stripe's webhooks: signature first, over the raw bytes; then the time; only then the event itself."""

import json
from collections.abc import Mapping
from typing import Any, Final

from curtaincall.payments import signature
from curtaincall.payments.errors import WebhookMalformed
from curtaincall.payments.ports import EventKind, WebhookEvent

KINDS: Final = {
    "payment_intent": EventKind.CHARGE,
    "refund": EventKind.REFUND,
    "transfer": EventKind.PAYOUT,
    "dispute": EventKind.DISPUTE,
}
"""What an event is about, by the `object` it carries."""


def read_event(headers: Mapping[str, str], raw_body: bytes, secret: str, now_ms: int, tolerance_s: int) -> WebhookEvent:
    """The event of a webhook. `headers` has lower-case names.

    Raises WebhookForged, WebhookStale, WebhookFromFuture, WebhookMalformed. Source: Stripe, "Verify webhook signatures
    manually": the SDK's own check accepts any time in the future, and asks the system's clock.
    """
    signature.check(secret, headers.get("stripe-signature"), raw_body, now_ms, tolerance_s)
    try:
        event = json.loads(raw_body)
        about = event["data"]["object"]
        return WebhookEvent(
            event_id=_text(event["id"]),
            type=_text(event["type"]),
            kind=KINDS.get(about["object"], EventKind.UNKNOWN),
            object_id=_text(about.get("id", "")),
            key=_key(about),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WebhookMalformed("The webhook is not an event.") from None


def _key(about: dict[str, Any]) -> str | None:
    key = (about.get("metadata") or {}).get("key")
    return key if isinstance(key, str) else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
