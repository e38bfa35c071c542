"""Between the messages of the proto and the values of the product. What comes from outside is checked here."""

from typing import Final

from curtaincall.charging.credit import Authorize, CreditAnswer, Terminate, Update
from curtaincall.charging.model import EndReason
from curtaincall.charging.payment_status import PaymentState, PaymentStatus
from curtaincall.kernel.ids import is_caller_chosen
from curtaincall.monetization.v1 import monetization_pb2 as pb
from curtaincall.transports.errors import TransportError

STATES: Final = {
    PaymentState.PAID: pb.PAYMENT_STATE_PAID,
    PaymentState.FAILED: pb.PAYMENT_STATE_FAILED,
    PaymentState.EXPIRED: pb.PAYMENT_STATE_EXPIRED,
    PaymentState.UNKNOWN: pb.PAYMENT_STATE_UNKNOWN,
}

REASONS: Final = {
    pb.END_REASON_TIME_EXPIRED: EndReason.TIME_EXPIRED,
    pb.END_REASON_PAYER_ENDED: EndReason.PAYER_ENDED,
    pb.END_REASON_HOST_ENDED: EndReason.HOST_ENDED,
    pb.END_REASON_CONNECTION_LOST: EndReason.CONNECTION_LOST,
    pb.END_REASON_ADMIN_TERMINATED: EndReason.ADMIN_TERMINATED,
    pb.END_REASON_PAYMENT_FAILED: EndReason.PAYMENT_FAILED,
}


def chosen(field: str, value: str) -> str:
    """An id from outside. Raises TransportError `invalid_request`."""
    if not is_caller_chosen(value):
        raise TransportError("invalid_request", f"{field} is 1 to 64 letters, digits, _ or -.", field=field)
    return value


def seat(room_id: str, user_id: str) -> tuple[str, str]:
    return chosen("room_id", room_id), chosen("user_id", user_id)


def authorize(request: pb.AuthorizeRequest) -> Authorize:
    """Raises `invalid_request`, UnitsInvalid."""
    return Authorize(
        room_id=chosen("room_id", request.room_id),
        payer_id=chosen("payer_id", request.payer_id),
        payee_id=chosen("payee_id", request.payee_id),
        requested_ms=request.requested_ms,
    )


def update(request: pb.UpdateRequest) -> Update:
    """Raises UnitsInvalid."""
    return Update(used_ms=request.used_ms, requested_ms=request.requested_ms)


def terminate(request: pb.TerminateRequest) -> Terminate:
    """Raises `invalid_request`, UnitsInvalid."""
    reason = REASONS.get(request.reason)
    if reason is None:
        raise TransportError("invalid_request", "reason says why the session ends.", field="reason")
    return Terminate(used_ms=request.used_ms, reason=reason)


def payment_status(status: PaymentStatus) -> pb.PaymentStatus:
    return pb.PaymentStatus(
        room_id=status.room_id,
        user_id=status.user_id,
        state=STATES[status.state],
        paid_until_unix_ms=status.paid_until_ms,
        granted_ms=status.granted_ms,
        used_ms=status.used_ms,
    )


def authorized(request: pb.AuthorizeRequest, answer: CreditAnswer) -> pb.AuthorizeResponse:
    return pb.AuthorizeResponse(
        session_id=request.session_id,
        request_number=request.request_number,
        result_code=_result(answer),
        grant=_grant(answer) if answer.granted else None,
        price_per_minute_minor=answer.price_per_minute_minor,
        currency=answer.currency,
    )


def updated(request: pb.UpdateRequest, answer: CreditAnswer) -> pb.UpdateResponse:
    return pb.UpdateResponse(
        session_id=request.session_id,
        request_number=request.request_number,
        result_code=_result(answer),
        grant=_grant(answer),
    )


def terminated(request: pb.TerminateRequest, answer: CreditAnswer) -> pb.TerminateResponse:
    return pb.TerminateResponse(
        session_id=request.session_id,
        request_number=request.request_number,
        result_code=_result(answer),
        used_ms=answer.used_ms,
        charged_minor=answer.charged_minor,
        fee_minor=answer.fee_minor,
        creator_minor=answer.creator_minor,
        currency=answer.currency,
    )


def _result(answer: CreditAnswer) -> pb.ResultCode:
    return pb.RESULT_CODE_SUCCESS if answer.granted else pb.RESULT_CODE_CREDIT_LIMIT_REACHED


def _grant(answer: CreditAnswer) -> pb.Grant:
    return pb.Grant(
        granted_ms=answer.granted_ms,
        used_ms=answer.used_ms,
        validity_ms=answer.validity_ms,
        final_unit_action=pb.FINAL_UNIT_ACTION_TERMINATE if answer.final else pb.FINAL_UNIT_ACTION_UNSPECIFIED,
    )
