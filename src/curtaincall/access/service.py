"""The use cases of access: synchronous functions of an open transaction, so that others use them inside their own.

What changes an entitlement returns it; whoever commits the transaction tells of the change (`access.events`).
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from curtaincall.access import store
from curtaincall.access.errors import EntitlementConflict, EntitlementOver, EntitlementUnknown
from curtaincall.access.model import (
    Answer,
    Entitlement,
    Feature,
    IncludedCalls,
    NewEntitlement,
    SubscriptionCalls,
    SubscriptionTerms,
    Terms,
)


def may(tx: Connection, user_id: str, feature: Feature, scope_id: str, now_ms: int) -> Answer:
    """May this user have this, now, until when: the one function that answers it."""
    found = _best(tx, user_id, feature, scope_id, now_ms)
    return Answer(False) if found is None else Answer(True, found.until_ms, found.entitlement_id)


def entitlements_of(tx: Connection, user_id: str, now_ms: int) -> Sequence[Entitlement]:
    """Everything that `may` would allow the user now."""
    return store.valid(tx, user_id, now_ms)


def grant(tx: Connection, new: NewEntitlement) -> Entitlement:
    """Grant it, once for each source key: a repeat returns what was granted first (with an id of its own, therefore).

    Correct beside a twin on another connection: the later one waits, and gets the earlier one's. Raises
    EntitlementConflict if the source granted something else.
    """
    store.add(tx, new)
    granted = store.find_by_source(tx, new.source_key)
    if granted is None or (granted.user_id, granted.feature, granted.scope_id) != (
        new.user_id,
        new.feature,
        new.scope_id,
    ):
        raise EntitlementConflict("This purchase granted something else.", source_key=new.source_key)
    return granted


def extend(tx: Connection, entitlement_id: str, until_ms: int, terms: Terms | None = None) -> Entitlement:
    """Let it last until then, if it does not last longer already. Raises EntitlementUnknown, EntitlementOver."""
    if _known(tx, entitlement_id).revoked_at_ms is not None:
        raise EntitlementOver("The entitlement was revoked.")
    store.prolong(tx, entitlement_id, until_ms, terms)
    return _known(tx, entitlement_id)


def revoke(tx: Connection, entitlement_id: str, now_ms: int, reason: str) -> Entitlement | None:
    """Take it back, for good. Returns None if it had been revoked before. Raises EntitlementUnknown."""
    found = _known(tx, entitlement_id)
    return found if store.revoke(tx, entitlement_id, now_ms, reason) else None


def end_scope(tx: Connection, scope_id: str, now_ms: int) -> None:
    """End everybody's entitlements to what is over (a room): they were not taken back, they ran out."""
    store.end_scope(tx, (Feature.PREMIUM_HD, Feature.BATTLE_ENTRY), scope_id, now_ms)


def spend(tx: Connection, entitlement_id: str, ref: str) -> Entitlement:
    """Use it up for `ref` (a call), once: a repeat with the same ref is the same use.

    Raises EntitlementUnknown, and EntitlementOver if it was revoked or used up by something else.
    """
    if not store.spend(tx, entitlement_id, ref) and _known(tx, entitlement_id).spent_on != ref:
        raise EntitlementOver("The entitlement was used up before.")
    return _known(tx, entitlement_id)


def unspend(tx: Connection, entitlement_id: str, ref: str) -> bool:
    """Give back what `ref` had used up, because it came to nothing. Returns False if it had not."""
    return store.unspend(tx, entitlement_id, ref)


def calls_included(tx: Connection, fan_id: str, creator_id: str, now_ms: int) -> IncludedCalls | None:
    """What the fan's subscription pays of calls with this creator, None if it is nothing or there is none."""
    found = _best(tx, fan_id, Feature.SUBSCRIPTION, creator_id, now_ms)
    if found is None:
        return None
    terms = SubscriptionTerms.of(found.terms)
    if terms.calls is SubscriptionCalls.NONE or (terms.calls is SubscriptionCalls.MINUTES and terms.minutes_ms == 0):
        return None
    return IncludedCalls(
        entitlement_id=found.entitlement_id,
        kind=terms.calls,
        minutes_ms=terms.minutes_ms,
        period_from_ms=terms.period_from_ms,
        period_until_ms=terms.period_until_ms,
    )


def _best(tx: Connection, user_id: str, feature: Feature, scope_id: str, now_ms: int) -> Entitlement | None:
    t = store.entitlements.c
    found = store.valid(tx, user_id, now_ms, t.feature == feature.value, t.scope_id == scope_id)
    return found[0] if found else None


def _known(tx: Connection, entitlement_id: str) -> Entitlement:
    found = store.find(tx, entitlement_id)
    if found is None:
        raise EntitlementUnknown("There is no such entitlement.")
    return found
