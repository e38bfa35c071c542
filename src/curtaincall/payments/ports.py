"""The gateway port: what a processor of card payments does for us; a charge carries a key."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """A card as the gateway keeps it."""

    gateway_ref: str
    brand: str
    last4: str


@dataclass(frozen=True, slots=True)
class Charge:
    """Take money from a saved card. The same `key` again gives the same result and moves nothing."""

    key: str
    gateway_ref: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The money is ours."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The gateway will know later; asking again with the same key is how to find out."""


@dataclass(frozen=True, slots=True)
class RequiresRedirect:
    """The card holder must confirm on the gateway's page first."""

    url: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The card was refused; `code` says why in the gateway's words."""

    code: str


ChargeResult = Succeeded | Pending | RequiresRedirect | Declined


class Gateway(Protocol):
    """A payment processor."""

    async def save_method(self, customer_id: str, token: str) -> SavedMethod:
        """Keep the card behind a one-time token. Raises PaymentMethodInvalid, GatewayUnavailable."""
        ...

    async def charge(self, command: Charge) -> ChargeResult:
        """Charge a saved card. Raises GatewayUnavailable when there is no answer."""
        ...
