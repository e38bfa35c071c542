"""What subscriptions refuse, each with its stable code."""

from curtaincall.kernel.errors import CurtaincallError


class SubscriptionError(CurtaincallError):
    """Base of what subscriptions refuse."""

    code = "subscription_error"


class SubscriptionUnknown(SubscriptionError):
    """The user has no such subscription."""

    code = "subscription_not_found"


class AlreadySubscribed(SubscriptionError):
    """The fan has a subscription of this creator, or its first payment is not decided yet."""

    code = "already_subscribed"


class NotOffered(SubscriptionError):
    """The creator offers no subscription, or not to this fan."""

    code = "not_for_sale"


class PaymentDeclined(SubscriptionError):
    """The card was refused."""

    code = "payment_declined"
