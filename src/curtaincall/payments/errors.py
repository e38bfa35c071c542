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
