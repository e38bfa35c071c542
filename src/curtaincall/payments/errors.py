"""What payments refuse, each with its stable code."""

from curtaincall.kernel.errors import CurtaincallError


class PaymentError(CurtaincallError):
    """Base of what payments refuse."""

    code = "payment_error"


class AmountInvalid(PaymentError):
    """The amount is not positive, or more than one top-up may be."""

    code = "amount_invalid"


class CurrencyMismatch(PaymentError):
    """Not the currency of this house."""

    code = "currency_mismatch"


class GatewayUnknown(PaymentError):
    """No gateway of this name is switched on."""

    code = "gateway_unknown"


class PaymentMethodInvalid(PaymentError):
    """The gateway does not know the token."""

    code = "payment_method_invalid"


class PaymentMethodUnknown(PaymentError):
    """The user has no such payment method."""

    code = "payment_method_unknown"


class TooManyPaymentMethods(PaymentError):
    """The user has as many as one may have."""

    code = "too_many_payment_methods"


class IdempotencyConflict(PaymentError):
    """The key was used before with another body."""

    code = "idempotency_conflict"


class GatewayUnavailable(PaymentError):
    """The gateway did not answer; nothing is known about the charge until it is asked again."""

    code = "gateway_unavailable"


class GatewayUnsuitable(PaymentError):
    """The gateway cannot do this (see its capabilities)."""

    code = "gateway_unsuitable"


class CardNumberRefused(PaymentError):
    """What was sent as a token looks like a card number: none may ever reach this server."""

    code = "card_number_refused"


class PaymentUnknown(PaymentError):
    """There is no such payment, refund, dispute or payout, or it is somebody else's."""

    code = "payment_unknown"


class AlreadyRefunded(PaymentError):
    """The transaction was refunded before, or its refund is on its way."""

    code = "already_refunded"


class NotRefundable(PaymentError):
    """The transaction is not one that can be refunded, or nothing of it is left."""

    code = "not_refundable"


class DisputeDecided(PaymentError):
    """The dispute was decided before."""

    code = "dispute_decided"


class NothingToPayOut(PaymentError):
    """The creator has less to be paid out than was asked for."""

    code = "nothing_to_pay_out"


class WebhookRefused(PaymentError):
    """Base of why a webhook is not believed."""

    code = "webhook_refused"


class WebhookForged(WebhookRefused):
    """No signature of the gateway's is over these bytes."""

    code = "webhook_forged"


class WebhookStale(WebhookRefused):
    """Signed longer ago than is tolerated: perhaps a replay."""

    code = "webhook_stale"


class WebhookFromFuture(WebhookRefused):
    """Signed further ahead of our clock than is tolerated."""

    code = "webhook_from_future"


class WebhookMalformed(WebhookRefused):
    """Signed, or not even signed, but not readable as an event."""

    code = "webhook_malformed"
