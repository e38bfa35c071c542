"""The one table: what each error code means in HTTP and on a WebSocket.

Codes are public (protocol.md). A test walks every error class of the product and fails if its code is missing here.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from curtaincall.kernel.errors import CurtaincallError
from curtaincall.media.ports import MediaError

MALFORMED: Final = 4400
NOT_AUTHENTICATED: Final = 4401
PAYMENT_REQUIRED: Final = 4402
FORBIDDEN: Final = 4403
SILENT: Final = 4408
FULL: Final = 4409
ENDED: Final = 4410
LIMITED: Final = 4429
TRY_LATER: Final = 1013
BROKEN: Final = 1011
RESTARTING: Final = 1012


class TransportError(CurtaincallError):
    """A refusal of the transports themselves; the code is given by whoever raises it."""

    code = "transport_error"

    def __init__(self, code: str, message: str, **facts: object) -> None:
        super().__init__(message, **facts)
        self.refusal = code


class RateLimited(CurtaincallError):
    """Too many attempts; `retry_after_ms` says when the next one is welcome."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)
        self.retry_after_ms = retry_after_ms


@dataclass(frozen=True, slots=True)
class Meaning:
    """HTTP status, and the code a WebSocket is closed with if the refusal closes it."""

    status: int
    close: int


TABLE: Final[dict[str, Meaning]] = {
    # the request itself
    "malformed_json": Meaning(400, MALFORMED),
    "malformed": Meaning(400, MALFORMED),
    "unknown_type": Meaning(400, MALFORMED),
    "not_joined": Meaning(400, MALFORMED),
    "already_joined": Meaning(400, MALFORMED),
    "message_too_large": Meaning(413, MALFORMED),
    "body_too_large": Meaning(413, MALFORMED),
    "invalid_request": Meaning(422, MALFORMED),
    "sdp_invalid": Meaning(422, MALFORMED),
    "not_found": Meaning(404, FORBIDDEN),
    "method_not_allowed": Meaning(405, MALFORMED),
    "idempotency_key_missing": Meaning(400, MALFORMED),
    "idempotency_conflict": Meaning(409, MALFORMED),
    "idempotency_in_flight": Meaning(409, TRY_LATER),
    "cursor_invalid": Meaning(422, MALFORMED),
    "value_refused": Meaning(422, MALFORMED),
    # who is asking
    "not_authenticated": Meaning(401, NOT_AUTHENTICATED),
    "token_expired": Meaning(401, NOT_AUTHENTICATED),
    "join_token_used": Meaning(401, NOT_AUTHENTICATED),
    "refresh_reused": Meaning(401, NOT_AUTHENTICATED),
    "invalid_credentials": Meaning(401, NOT_AUTHENTICATED),
    "origin_forbidden": Meaning(403, FORBIDDEN),
    "user_mismatch": Meaning(403, FORBIDDEN),
    "forbidden": Meaning(403, FORBIDDEN),
    "role_forbidden": Meaning(403, FORBIDDEN),
    "email_taken": Meaning(409, FORBIDDEN),
    "under_age": Meaning(403, FORBIDDEN),
    "blocked": Meaning(403, FORBIDDEN),
    "too_many_blocks": Meaning(409, FORBIDDEN),
    "too_many_reports": Meaning(429, LIMITED),
    "user_not_found": Meaning(404, FORBIDDEN),
    "account_frozen": Meaning(403, FORBIDDEN),
    "accounts_error": Meaning(400, FORBIDDEN),
    # rooms and calls
    "room_not_found": Meaning(404, FORBIDDEN),
    "room_exists": Meaning(409, FORBIDDEN),
    "room_ended": Meaning(410, ENDED),
    "room_full": Meaning(409, FULL),
    "capacity_too_large": Meaning(422, FORBIDDEN),
    "kind_unavailable": Meaning(422, FORBIDDEN),
    "host_required": Meaning(422, FORBIDDEN),
    "entry_required": Meaning(402, PAYMENT_REQUIRED),
    "removed": Meaning(403, FORBIDDEN),
    "call_not_accepted": Meaning(403, FORBIDDEN),
    "creator_offline": Meaning(409, FORBIDDEN),
    "call_not_found": Meaning(404, FORBIDDEN),
    "seat_not_found": Meaning(404, FORBIDDEN),
    "too_many_calls": Meaning(429, LIMITED),
    "too_many_rooms": Meaning(429, LIMITED),
    "spectators_unavailable": Meaning(403, FORBIDDEN),
    "rooms_error": Meaning(400, FORBIDDEN),
    # money
    "payment_required": Meaning(402, PAYMENT_REQUIRED),
    "unlock_unavailable": Meaning(409, FORBIDDEN),
    "rates_missing": Meaning(409, FORBIDDEN),
    "rates_invalid": Meaning(422, FORBIDDEN),
    "session_unknown": Meaning(404, FORBIDDEN),
    "session_conflict": Meaning(409, FORBIDDEN),
    "request_out_of_order": Meaning(409, FORBIDDEN),
    "units_invalid": Meaning(422, FORBIDDEN),
    "too_many_watchers": Meaning(429, LIMITED),
    "not_settled": Meaning(409, FORBIDDEN),
    "settlement_delayed": Meaning(503, TRY_LATER),
    "charging_error": Meaning(500, BROKEN),
    "payment_error": Meaning(500, BROKEN),
    "gateway_unknown": Meaning(422, FORBIDDEN),
    "gateway_unavailable": Meaning(503, TRY_LATER),
    "payment_method_invalid": Meaning(422, FORBIDDEN),
    "payment_method_unknown": Meaning(404, FORBIDDEN),
    "too_many_payment_methods": Meaning(409, FORBIDDEN),
    "amount_invalid": Meaning(422, FORBIDDEN),
    "currency_mismatch": Meaning(422, FORBIDDEN),
    "gateway_unsuitable": Meaning(422, FORBIDDEN),
    "card_number_refused": Meaning(422, FORBIDDEN),
    "payment_unknown": Meaning(404, FORBIDDEN),
    "already_refunded": Meaning(409, FORBIDDEN),
    "not_refundable": Meaning(409, FORBIDDEN),
    "dispute_decided": Meaning(409, FORBIDDEN),
    "nothing_to_pay_out": Meaning(409, FORBIDDEN),
    "webhook_refused": Meaning(400, FORBIDDEN),
    "webhook_forged": Meaning(400, FORBIDDEN),
    "webhook_stale": Meaning(400, FORBIDDEN),
    "webhook_from_future": Meaning(400, FORBIDDEN),
    "webhook_malformed": Meaning(400, FORBIDDEN),
    "insufficient_funds": Meaning(402, PAYMENT_REQUIRED),
    # what was bought
    "access_error": Meaning(500, BROKEN),
    "entitlement_unknown": Meaning(404, FORBIDDEN),
    "entitlement_conflict": Meaning(409, FORBIDDEN),
    "entitlement_over": Meaning(409, FORBIDDEN),
    "subscription_error": Meaning(500, BROKEN),
    "subscription_not_found": Meaning(404, FORBIDDEN),
    "already_subscribed": Meaning(409, FORBIDDEN),
    "payment_declined": Meaning(402, PAYMENT_REQUIRED),
    "purchase_error": Meaning(500, BROKEN),
    "not_for_sale": Meaning(409, FORBIDDEN),
    "not_needed": Meaning(409, FORBIDDEN),
    "entries_sold_out": Meaning(409, FORBIDDEN),
    "tip_to_oneself": Meaning(422, FORBIDDEN),
    "tip_recipient_invalid": Meaning(422, FORBIDDEN),
    # the back office
    "adjustment_invalid": Meaning(422, FORBIDDEN),
    "reason_missing": Meaning(422, FORBIDDEN),
    "not_frozen": Meaning(409, FORBIDDEN),
    "backoffice_error": Meaning(500, BROKEN),
    # the books refuse what no request should be able to ask of them
    "ledger_error": Meaning(500, BROKEN),
    "transfer_invalid": Meaning(500, BROKEN),
    "hold_unknown": Meaning(500, BROKEN),
    "hold_already_posted": Meaning(500, BROKEN),
    "hold_already_voided": Meaning(500, BROKEN),
    "hold_expired": Meaning(500, BROKEN),
    "hold_exceeded": Meaning(500, BROKEN),
    # how we are
    "silent": Meaning(408, SILENT),
    "rate_limited": Meaning(429, LIMITED),
    "overloaded": Meaning(503, TRY_LATER),
    "media_overloaded": Meaning(503, TRY_LATER),
    "media_unavailable": Meaning(503, TRY_LATER),
    "superseded": Meaning(503, TRY_LATER),
    "media_error": Meaning(500, BROKEN),
    "room_unknown": Meaning(410, ENDED),
    "seat_unknown": Meaning(410, ENDED),
    "shutting_down": Meaning(503, RESTARTING),
    "storage_closed": Meaning(503, TRY_LATER),
    "port_unavailable": Meaning(500, BROKEN),
    "monetization_unavailable": Meaning(503, TRY_LATER),
    "data_in_use": Meaning(500, BROKEN),
    "storage_unavailable": Meaning(503, TRY_LATER),
    "storage_error": Meaning(500, BROKEN),
    "transport_error": Meaning(500, BROKEN),
    "internal": Meaning(500, BROKEN),
}


def code_of(error: CurtaincallError) -> str:
    """The stable code of an error; some classes carry one per instance."""
    if isinstance(error, MediaError | TransportError):
        return error.refusal
    return error.code


def meaning(code: str) -> Meaning:
    return TABLE.get(code, TABLE["internal"])


def retry_after_ms(error: CurtaincallError) -> int | None:
    """When to come back, for the refusals that pass."""
    if isinstance(error, RateLimited):
        return error.retry_after_ms
    if meaning(code_of(error)).status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        return 1000
    return None
