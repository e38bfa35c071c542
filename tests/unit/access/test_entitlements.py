"""What may a user have, now, until when: granted once, extended, revoked, used up, and nobody else's."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from curtaincall.access import service
from curtaincall.access.errors import EntitlementConflict, EntitlementOver, EntitlementUnknown
from curtaincall.access.model import (
    Answer,
    Entitlement,
    Feature,
    IncludedCalls,
    NewEntitlement,
    SubscriptionCalls,
    SubscriptionTerms,
)
from curtaincall.access.sale import Offer, Sale, Sold, sell
from curtaincall.ledger.errors import InsufficientFunds
from curtaincall.ledger.model import (
    Leg,
    Purpose,
    Transfer,
    battle_pot,
    creator_pending,
    gateway_clearing,
    platform_fee,
    wallet,
)
from curtaincall.ledger.service import Ledger
from curtaincall.storage.database import migrate, open_database
from curtaincall.storage.executor import WriteExecutor
from support.virtual_clock import VirtualClock

UNLOCK = Offer(Feature.INSTANT_UNLOCK, "star", Purpose.INSTANT_UNLOCK, "unlock", 500, "EUR", 2_000, "star")


class Desk:
    """The functions of access, each in a transaction of its own."""

    def __init__(self, executor: WriteExecutor) -> None:
        self.executor = executor
        self.numbers = itertools.count()
        self.ledger = Ledger(VirtualClock(), self.new_id)

    def new_id(self) -> str:
        return f"id-{next(self.numbers):04}"

    async def grant(
        self,
        key: str,
        *,
        user_id: str = "fan",
        feature: Feature = Feature.PREMIUM_HD,
        until_ms: int | None = None,
        terms: SubscriptionTerms | None = None,
    ) -> Entitlement:
        new = NewEntitlement(
            self.new_id(), user_id, feature, "scope", 100, until_ms, key, key, terms.as_terms() if terms else {}
        )
        return await self.executor.submit(service.grant, new)

    async def may(self, now_ms: int, user_id: str = "fan", feature: Feature = Feature.PREMIUM_HD) -> Answer:
        return await self.executor.read(lambda tx: service.may(tx, user_id, feature, "scope", now_ms))

    async def sell(self, offer: Offer = UNLOCK, user_id: str = "fan", now_ms: int = 100) -> Sold:
        sale = Sale(self.new_id(), user_id, offer, now_ms)
        return await self.executor.submit(lambda tx, command: sell(tx, self.ledger, command), sale)

    async def pay_in(self, amount_minor: int, user_id: str = "fan") -> None:
        leg = Leg(gateway_clearing("sandbox", "EUR"), wallet(user_id, "EUR"), amount_minor)
        await self.executor.submit(self.ledger.transfer, Transfer(self.new_id(), Purpose.TOP_UP, "top-up", (leg,)))

    async def balances(self) -> tuple[int, int, int]:
        """Of the fan's wallet, the creator and the house."""

        def query(tx: Connection) -> tuple[int, int, int]:
            accounts = wallet("fan", "EUR"), creator_pending("star", "EUR"), platform_fee("EUR")
            first, second, third = (self.ledger.balance(tx, account).balance_minor for account in accounts)
            return first, second, third

        return await self.executor.read(query)


@pytest.fixture
async def desk(tmp_path: Path, database_url: str) -> AsyncIterator[Desk]:
    database = open_database(tmp_path, database_url)
    migrate(database)
    desk = Desk(WriteExecutor(database))
    yield desk
    await desk.executor.close()
    database.close()


async def test_nothing_is_allowed_that_was_not_granted(desk: Desk) -> None:
    assert await desk.may(100) == Answer(False)


async def test_a_grant_is_the_users_own_from_its_beginning_to_its_end(desk: Desk) -> None:
    granted = await desk.grant("key", until_ms=200)
    assert [(await desk.may(now_ms)).allowed for now_ms in (99, 100, 199, 200)] == [False, True, True, False]
    assert await desk.may(150) == Answer(True, 200, granted.entitlement_id)
    assert await desk.may(150, user_id="other") == Answer(False)
    assert await desk.may(150, feature=Feature.BATTLE_ENTRY) == Answer(False)


async def test_a_source_grants_once(desk: Desk) -> None:
    first = await desk.grant("key", until_ms=200)
    assert await desk.grant("key", until_ms=900) == first
    with pytest.raises(EntitlementConflict):
        await desk.grant("key", user_id="thief")
    assert await desk.may(150, user_id="thief") == Answer(False)


async def test_what_lasts_longest_is_the_answer(desk: Desk) -> None:
    await desk.grant("short", until_ms=200)
    await desk.grant("long", until_ms=900)
    assert (await desk.may(150)).until_ms == 900
    for_ever = await desk.grant("for ever")
    assert await desk.may(150) == Answer(True, None, for_ever.entitlement_id)


async def test_an_extension_only_lengthens(desk: Desk) -> None:
    granted = await desk.grant("key", until_ms=200)
    for until_ms, expected_ms in ((900, 900), (300, 900)):
        extended = await desk.executor.submit(
            lambda tx, until_ms: service.extend(tx, granted.entitlement_id, until_ms), until_ms
        )
        assert extended.until_ms == expected_ms


async def test_what_was_revoked_is_over_for_good(desk: Desk) -> None:
    granted = await desk.grant("key")

    def revoke(tx: Connection, now_ms: int) -> Entitlement | None:
        return service.revoke(tx, granted.entitlement_id, now_ms, "refund")

    assert await desk.executor.submit(revoke, 150) is not None
    assert await desk.executor.submit(revoke, 160) is None
    assert await desk.may(170) == Answer(False)
    with pytest.raises(EntitlementOver):
        await desk.executor.submit(lambda tx, until_ms: service.extend(tx, granted.entitlement_id, until_ms), 900)
    with pytest.raises(EntitlementUnknown):
        await desk.executor.submit(lambda tx, now_ms: service.revoke(tx, "nothing", now_ms, "refund"), 1)


async def test_an_unlock_is_used_up_by_one_call(desk: Desk) -> None:
    granted = await desk.grant("key")

    def spend(tx: Connection, ref: str) -> Entitlement:
        return service.spend(tx, granted.entitlement_id, ref)

    for _ in range(2):
        assert (await desk.executor.submit(spend, "call")).spent_on == "call"
    assert await desk.may(150) == Answer(False)
    with pytest.raises(EntitlementOver):
        await desk.executor.submit(spend, "another call")
    unspent = await desk.executor.submit(lambda tx, ref: service.unspend(tx, granted.entitlement_id, ref), "call")
    assert unspent
    assert (await desk.may(150)).allowed


@pytest.mark.parametrize(
    ("calls", "minutes_ms", "included"),
    [
        (SubscriptionCalls.NONE, 0, False),
        (SubscriptionCalls.MINUTES, 0, False),
        (SubscriptionCalls.MINUTES, 600_000, True),
        (SubscriptionCalls.ALL, 0, True),
    ],
)
async def test_a_subscription_says_which_calls_it_includes(
    desk: Desk, calls: SubscriptionCalls, minutes_ms: int, included: bool
) -> None:
    terms = SubscriptionTerms(calls, minutes_ms, 100, 200)
    granted = await desk.grant("key", feature=Feature.SUBSCRIPTION, until_ms=300, terms=terms)

    async def asked(now_ms: int, fan_id: str = "fan") -> IncludedCalls | None:
        return await desk.executor.read(lambda tx: service.calls_included(tx, fan_id, "scope", now_ms))

    expected = IncludedCalls(granted.entitlement_id, calls, minutes_ms, 100, 200) if included else None
    assert await asked(150) == expected
    assert await asked(150, "other") is None
    assert await asked(300) is None


async def test_a_sale_grants_and_charges_once(desk: Desk) -> None:
    await desk.pay_in(1_500)
    sold = await desk.sell()
    assert sold.charged_minor == 500
    assert await desk.balances() == (1_000, 400, 100)
    again = await desk.sell()
    assert (again.entitlement, again.charged_minor) == (sold.entitlement, 0)
    assert await desk.balances() == (1_000, 400, 100)


async def test_of_requests_at_the_same_time_one_pays(desk: Desk) -> None:
    await desk.pay_in(1_500)
    sold = await asyncio.gather(*(desk.sell() for _ in range(8)))
    assert sorted(one.charged_minor for one in sold) == [0] * 7 + [500]
    assert len({one.entitlement.entitlement_id for one in sold}) == 1
    assert await desk.balances() == (1_000, 400, 100)


async def test_what_is_used_up_can_be_bought_again(desk: Desk) -> None:
    await desk.pay_in(1_500)
    sold = await desk.sell()
    await desk.executor.submit(lambda tx, ref: service.spend(tx, sold.entitlement.entitlement_id, ref), "call")
    again = await desk.sell()
    assert again.entitlement.entitlement_id != sold.entitlement.entitlement_id
    assert await desk.balances() == (500, 800, 200)


async def test_without_the_money_nothing_is_granted(desk: Desk) -> None:
    await desk.pay_in(499)
    with pytest.raises(InsufficientFunds):
        await desk.sell()
    assert await desk.executor.read(lambda tx: service.entitlements_of(tx, "fan", 100)) == []
    assert await desk.balances() == (499, 0, 0)


async def test_an_entry_goes_into_the_pot_whole(desk: Desk) -> None:
    await desk.pay_in(500)
    pot = battle_pot("room", "EUR")
    offer = Offer(Feature.BATTLE_ENTRY, "room", Purpose.BATTLE_ENTRY, "entry", 500, "EUR", 2_000, "star", pot)
    await desk.sell(offer)
    assert await desk.balances() == (0, 0, 0)
    assert (await desk.executor.read(lambda tx: desk.ledger.balance(tx, pot))).balance_minor == 500
