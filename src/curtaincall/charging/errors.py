"""What charging refuses, each with its stable code."""

from curtaincall.kernel.errors import CurtaincallError


class ChargingError(CurtaincallError):
    """Base of what charging refuses."""

    code = "charging_error"


class PaymentRequired(ChargingError):
    """The wallet does not cover the minimum of the call."""

    code = "payment_required"


class RatesMissing(ChargingError):
    """The creator has set no price yet."""

    code = "rates_missing"


class RatesInvalid(ChargingError):
    """A rate out of bounds, or in another currency than the house's."""

    code = "rates_invalid"


class SessionUnknown(ChargingError):
    """There is no such session."""

    code = "session_unknown"


class SessionConflict(ChargingError):
    """The session id was used before for other people or another room."""

    code = "session_conflict"


class SessionOver(ChargingError):
    """The session has ended: there is no way back."""

    code = "room_ended"


class TooManySessions(ChargingError):
    """As many sessions are open as this server takes."""

    code = "overloaded"


class NotSettled(ChargingError):
    """There is no receipt before the settlement."""

    code = "not_settled"


class SettlementDelayed(ChargingError):
    """The session has ended and its media stopped, but the settlement is not recorded yet; it is being retried."""

    code = "settlement_delayed"


class RequestOutOfOrder(ChargingError):
    """A numbered request that is not the next one of its session."""

    code = "request_out_of_order"


class UnitsInvalid(ChargingError):
    """A count of service units below zero, or beyond any session."""

    code = "units_invalid"


class TooManyWatchers(ChargingError):
    """As many seats are watched as this server watches."""

    code = "too_many_watchers"


class UnlockUnavailable(ChargingError):
    """The creator sells no instant unlocks, and the payer has none."""

    code = "unlock_unavailable"
