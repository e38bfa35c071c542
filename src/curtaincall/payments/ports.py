"""The gateway port: what a processor of card payments does for us.

Every command that moves money carries a key: the same key again, however much later, is the same charge, refund or
payout, and moves nothing. What a gateway tells by itself (webhooks) is a hint; the object it names is fetched again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this gateway can do; whoever wants more is refused with `gateway_unsuitable`."""

    off_session: bool
    """Charges while the card's holder is away: renewals, auto-recharge."""
    refunds: bool
    payouts: bool
    redirects: bool
    """Some charges send the holder to a page of the gateway or of the bank first."""
    setup_intents: bool
    """Cards are entered into the gateway's own form in the browser, which needs a secret of ours."""
    publishable_key: str | None = None
    """What that form is opened with, if it needs a key that everybody may see."""
    onboarding: bool = False
    """Whoever is paid out has to tell the gateway first who they are (`begin_onboarding`)."""


@dataclass(frozen=True, slots=True)
class SetupIntent:
    """What the browser needs to enter a card at the gateway: no card number ever reaches our server."""

    client_secret: str
    publishable_key: str


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """A card as the gateway keeps it."""

    gateway_ref: str
    brand: str
    last4: str


@dataclass(frozen=True, slots=True)
class Charge:
    """Take money from a saved card."""

    key: str
    gateway_ref: str
    """The card, as `SavedMethod` names it."""
    amount_minor: int
    currency: str
    customer_id: str = ""
    off_session: bool = False
    """The holder is not there to confirm anything: what would need a redirect declines."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class RefundCharge:
    """Give money of a charge back to its card; all refunds of a charge together are at most the charge."""

    key: str
    charge_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class PayOut:
    """Send earnings to a creator."""

    key: str
    recipient_id: str
    """The creator's user id; which bank account that is, the gateway knows."""
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Succeeded:
    """It is done. `gateway_id` is what the gateway calls it (a charge, a refund, a payout)."""

    gateway_id: str


@dataclass(frozen=True, slots=True)
class Pending:
    """The gateway will know later: it tells, or is asked. Without an id it has not even answered."""

    gateway_id: str | None = None


@dataclass(frozen=True, slots=True)
class RequiresRedirect:
    """The card holder must confirm on the gateway's page first."""

    gateway_id: str
    url: str
    """Absolute, or a path of our own server."""


@dataclass(frozen=True, slots=True)
class Declined:
    """It was refused, for good: the adapter sees to it that this charge never succeeds afterwards.

    `code` says why in the gateway's words.
    """

    code: str
    gateway_id: str | None = None


ChargeResult = Succeeded | Pending | RequiresRedirect | Declined
RefundResult = Succeeded | Pending | Declined
PayoutResult = Succeeded | Pending | Declined


class DisputeState(StrEnum):
    """INQUIRY: the bank asks, no money has moved."""

    INQUIRY = "inquiry"
    OPENED = "opened"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class DisputeObject:
    """A dispute as the gateway has it now."""

    gateway_id: str
    charge_id: str
    amount_minor: int
    currency: str
    state: DisputeState


class EventKind(StrEnum):
    """What an event is about, and so which object is fetched again."""

    CHARGE = "charge"
    REFUND = "refund"
    PAYOUT = "payout"
    DISPUTE = "dispute"
    UNKNOWN = "unknown"
    """Kept and left alone."""


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A verified webhook: a hint that an object has changed."""

    event_id: str
    type: str
    """In the gateway's words: `payment_intent.succeeded`."""
    kind: EventKind
    object_id: str
    """The gateway's id of the object: charge, refund, payout or dispute by `kind`; empty if UNKNOWN."""
    key: str | None = None
    """Our key of the object if the event carries it: it may come before the answer that says the id."""


class Gateway(Protocol):
    """A payment processor. Whatever asks it raises GatewayUnavailable when there is no answer."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def begin_setup(self, customer_id: str) -> SetupIntent:
        """Prepare the entry of a card in the browser. Raises GatewayUnsuitable."""
        ...

    async def save_method(self, customer_id: str, token: str) -> SavedMethod:
        """Keep the card behind a token for this customer. Raises PaymentMethodInvalid."""
        ...

    async def forget_method(self, gateway_ref: str) -> None:
        """Keep the card no longer; one that is not known is forgotten already."""
        ...

    async def charge(self, command: Charge) -> ChargeResult:
        """Charge a saved card. Raises IdempotencyConflict for a key of another charge."""
        ...

    async def charge_status(self, gateway_id: str) -> ChargeResult:
        """What has become of a charge."""
        ...

    async def cancel_charge(self, gateway_id: str) -> ChargeResult:
        """Have a charge that nobody confirmed never succeed; what it is afterwards (it may have just succeeded)."""
        ...

    async def refund(self, command: RefundCharge) -> RefundResult:
        """Give money back. Declined if the charge has not that much left. Raises GatewayUnsuitable."""
        ...

    async def refund_status(self, gateway_id: str) -> RefundResult:
        """What has become of a refund."""
        ...

    async def payout(self, command: PayOut) -> PayoutResult:
        """Send money out. Raises GatewayUnsuitable."""
        ...

    async def payout_status(self, gateway_id: str) -> PayoutResult:
        """What has become of a payout."""
        ...

    async def begin_onboarding(self, recipient_id: str) -> str:
        """The address of a page on which a creator tells the gateway who they are. Raises GatewayUnsuitable."""
        ...

    async def dispute(self, dispute_id: str) -> DisputeObject:
        """A dispute as it is now. Raises PaymentUnknown."""
        ...

    def verify_webhook(self, headers: Mapping[str, str], raw_body: bytes, now_ms: int) -> WebhookEvent:
        """Check the signature over the raw bytes, then the time, and read the event. `headers` has lower-case names.

        Raises WebhookForged, WebhookStale, WebhookFromFuture, WebhookMalformed.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; nothing is asked afterwards."""
        ...
