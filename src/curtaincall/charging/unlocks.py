"""Instant unlock: the payer does not wait until the creator takes the call. Functions of the session's transactions.

Paid out of the wallet (80 % to the creator, as of everything), or with an unlock bought before. It is returned if the
call never becomes live.
"""

from sqlalchemy import Connection

from curtaincall.access import service as access
from curtaincall.access.model import Feature
from curtaincall.access.sale import shared_legs
from curtaincall.charging import store
from curtaincall.charging.errors import PaymentRequired, UnlockUnavailable
from curtaincall.charging.records import StoredSession
from curtaincall.ledger.history import movements_of
from curtaincall.ledger.model import Leg, Purpose, Transfer, wallet
from curtaincall.ledger.service import Ledger
from curtaincall.payments.takeback import Plan, reversed_minor


def pay(tx: Connection, ledger: Ledger, session: StoredSession, now_ms: int) -> None:
    """Spend an unlock bought before, or else charge the price of one. Raises UnlockUnavailable, PaymentRequired."""
    bought = access.may(tx, session.payer_id, Feature.INSTANT_UNLOCK, session.payee_id, now_ms).entitlement_id
    if bought is not None:
        access.spend(tx, bought, session.session_id)
        store.save_unlock(tx, session.session_id, 0, bought)
        return
    price_minor, currency = session.unlock.price_minor, session.tariff.currency
    if price_minor is None:
        raise UnlockUnavailable("This creator sells no instant unlocks.")
    debit = wallet(session.payer_id, currency)
    available_minor = ledger.balance(tx, debit).available_minor
    if available_minor < price_minor:
        raise PaymentRequired(
            "The wallet does not cover the unlock.",
            needed_minor=price_minor,
            available_minor=available_minor,
            currency=currency,
        )
    legs = shared_legs(debit, session.payee_id, price_minor, session.tariff.fee_bp)
    ledger.transfer(tx, Transfer(_key(session), Purpose.INSTANT_UNLOCK, session.session_id, legs))
    store.save_unlock(tx, session.session_id, price_minor, None)


def give_back(tx: Connection, ledger: Ledger, session: StoredSession) -> None:
    """Return the unlock of a call that never became live; without one, nothing."""
    unlock, currency = session.unlock, session.tariff.currency
    if unlock.entitlement_id is not None:
        access.unspend(tx, unlock.entitlement_id, session.session_id)
        store.save_unlock(tx, session.session_id, 0, None)
    if unlock.charged_minor == 0:
        return
    plan = Plan()
    paid = movements_of(tx, _key(session))
    gone = reversed_minor(tx, [movement.transfer_id for movement in paid])
    for movement in paid:  # the creator's share comes from where it is by now, were it paid out already
        left_minor = movement.leg.amount_minor - gone.get(movement.transfer_id, 0)
        if left_minor > 0:
            plan.reverse(tx, movement, left_minor)
    credit = wallet(session.payer_id, currency)
    legs = tuple(Leg(account, credit, amount_minor) for account, amount_minor in plan.takes.items())
    if legs:
        key = f"unlock_returned:{session.payer_id}:{session.session_id}"
        ledger.transfer(tx, Transfer(key, Purpose.INSTANT_UNLOCK, session.session_id, legs))
        plan.record(tx, key)
    store.save_unlock(tx, session.session_id, unlock.charged_minor - plan.total_minor, None)


def _key(session: StoredSession) -> str:
    return f"unlock:{session.payer_id}:{session.session_id}"
