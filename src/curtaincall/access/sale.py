"""Selling an entitlement out of a wallet: the grant and the money in one transaction, once.

The grant comes first. Of two requests for the same thing at the same time one grants, and only that one pays; if its
wallet does not cover the price, the grant is rolled back with it.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from curtaincall.access import service, store
from curtaincall.access.model import Entitlement, Feature, NewEntitlement, Terms
from curtaincall.accounts import standing
from curtaincall.ledger.model import Account, Leg, Purpose, Transfer, creator_pending, platform_fee, wallet
from curtaincall.ledger.service import Ledger

BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Offer:
    """What is for sale: `seller_id` is the creator who gets the price less the fee; `pot` gets all of it instead."""

    feature: Feature
    scope_id: str
    purpose: Purpose
    label: str
    """The first word of the key: `{label}:{user}:{item}`."""
    price_minor: int
    currency: str
    fee_bp: int
    seller_id: str
    pot: Account | None = None


@dataclass(frozen=True, slots=True)
class Sale:
    """`entitlement_id` is what the entitlement is called if this sale is what grants it."""

    entitlement_id: str
    user_id: str
    offer: Offer
    now_ms: int


@dataclass(frozen=True, slots=True)
class Sold:
    """`charged_minor` is 0 if the user had it already."""

    entitlement: Entitlement
    charged_minor: int


def sell(tx: Connection, ledger: Ledger, sale: Sale) -> Sold:
    """Sell what the user does not have already; what they have they keep, and pay nothing.

    Raises InsufficientFunds, AccountFrozen.
    """
    offer, user_id = sale.offer, sale.user_id
    # One query for both, so that both see the same: is there one already, and how many were there before.
    history = store.history(tx, user_id, offer.feature, offer.scope_id)
    for entitlement in history:
        if entitlement.valid(sale.now_ms):
            return Sold(entitlement, 0)
    standing.refuse_frozen(tx, user_id, offer.seller_id)
    # Numbered by those that are over, so that two requests for the same thing have one key, and the next one another.
    key = f"{offer.label}:{user_id}:{offer.scope_id}:{len(history)}"
    terms: Terms = {"paid_minor": offer.price_minor, "currency": offer.currency}
    new = NewEntitlement(
        entitlement_id=sale.entitlement_id,
        user_id=user_id,
        feature=offer.feature,
        scope_id=offer.scope_id,
        from_ms=sale.now_ms,
        until_ms=None,
        source_key=key,
        source_ref=sale.entitlement_id,
        terms=terms,
    )
    granted = service.grant(tx, new)
    if granted.entitlement_id != sale.entitlement_id:
        return Sold(granted, 0)  # the twin was faster, and has paid
    if offer.price_minor > 0:
        ledger.transfer(tx, Transfer(key, offer.purpose, sale.entitlement_id, _legs(user_id, offer)))
    return Sold(granted, offer.price_minor)


def shared_legs(debit: Account, creator_id: str, amount_minor: int, fee_bp: int) -> tuple[Leg, ...]:
    """An amount divided between a creator and the house: the fee is rounded down, the creator gets the rest."""
    fee_minor = amount_minor * fee_bp // BASIS_POINTS
    legs = (
        Leg(debit, creator_pending(creator_id, debit.currency), amount_minor - fee_minor),
        Leg(debit, platform_fee(debit.currency), fee_minor),
    )
    return tuple(leg for leg in legs if leg.amount_minor > 0)


def _legs(user_id: str, offer: Offer) -> tuple[Leg, ...]:
    debit = wallet(user_id, offer.currency)
    if offer.pot is not None:
        return (Leg(debit, offer.pot, offer.price_minor),)
    return shared_legs(debit, offer.seller_id, offer.price_minor, offer.fee_bp)
