"""Refusals of the enforcement domain."""

from curtaincall.kernel.errors import CurtaincallError


class SeatUnknown(CurtaincallError):
    """The user never had a seat in that room."""

    code = "seat_not_found"


class MonetizationUnavailable(CurtaincallError):
    """The Monetization Service that we are told to ask does not answer, or not as it should."""

    code = "monetization_unavailable"


class PaymentUnconfirmed(CurtaincallError):
    """The Monetization Service that we are told to ask does not say that the call is paid for."""

    code = "payment_required"
