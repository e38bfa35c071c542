"""Webhook signatures in Stripe's scheme: `t=<seconds>,v1=<hex>` over `<seconds>.<raw body>`, HMAC-SHA256.

The bytes are checked before anything in them is believed, then the time: an old signature may be a replay, and one
from the future would be good for a replay for longer than is tolerated.
"""

import hashlib
import hmac
from typing import Final

from curtaincall.payments.errors import WebhookForged, WebhookFromFuture, WebhookStale

MAX_HEADER_CHARS: Final = 2_048
"""A longer signature header is not read: it would be work for nothing."""

MAX_SIGNATURES: Final = 8
"""The most signatures of one header that are compared (a gateway sends two while a secret is being changed)."""


def sign(secret: str, raw_body: bytes, timestamp_s: int) -> str:
    """The header that goes with a body."""
    return f"t={timestamp_s},v1={_digest(secret, raw_body, timestamp_s)}"


def check(secret: str, header: str | None, raw_body: bytes, now_ms: int, tolerance_s: int) -> None:
    """Raise WebhookForged, WebhookStale or WebhookFromFuture unless the header was made with the secret just now."""
    timestamp_s, signatures = _parse(header)
    expected = _digest(secret, raw_body, timestamp_s).encode()
    if not any(hmac.compare_digest(expected, signature.encode()) for signature in signatures):
        raise WebhookForged("The signature is not over this body.")
    age_ms = now_ms - timestamp_s * 1000
    if age_ms > tolerance_s * 1000:
        raise WebhookStale("The webhook was signed too long ago.", age_ms=age_ms)
    if age_ms < -tolerance_s * 1000:
        raise WebhookFromFuture("The webhook was signed in the future.", age_ms=age_ms)


def _digest(secret: str, raw_body: bytes, timestamp_s: int) -> str:
    return hmac.new(secret.encode(), b"%d." % timestamp_s + raw_body, hashlib.sha256).hexdigest()


def _parse(header: str | None) -> tuple[int, list[str]]:
    if not header or len(header) > MAX_HEADER_CHARS or not header.isascii():
        raise WebhookForged("There is no signature that could be read.")
    items = [item.strip().partition("=") for item in header.split(",")]
    times = [value for name, _, value in items if name == "t" and value.isdigit() and len(value) <= 12]
    signatures = [value for name, _, value in items if name == "v1"][:MAX_SIGNATURES]
    if len(times) != 1 or not signatures:
        raise WebhookForged("There is no signature that could be read.")
    return int(times[0]), signatures
