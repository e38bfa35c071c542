"""The wallet: filled from cards that pay and cards that decline, once for each key, whatever is interrupted."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger.service import Ledger
from curtaincall.payments import cards as cards_module
from curtaincall.payments import service as service_module
from curtaincall.payments.cards import CardPayments
from curtaincall.payments.errors import (
    AmountInvalid,
    CardNumberRefused,
    CurrencyMismatch,
    GatewayUnavailable,
    GatewayUnknown,
    IdempotencyConflict,
    PaymentMethodInvalid,
    PaymentMethodUnknown,
    PaymentUnknown,
    TooManyPaymentMethods,
)
from curtaincall.payments.events import WalletCredited
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.model import TopUp, TopUpStatus, Wallet
from curtaincall.payments.ports import Charge, ChargeResult, Pending, RequiresRedirect
from curtaincall.payments.sandbox import SandboxGateway
from curtaincall.payments.service import WalletService
from curtaincall.storage.database import Database, migrate, open_database
from curtaincall.storage.executor import WriteExecutor
from support.virtual_clock import VirtualClock


class UnreliableGateway(SandboxGateway):
    """The sandbox behind a line that can be cut before or after the charge."""

    def __init__(self, executor: WriteExecutor, clock: VirtualClock, new_id: IdFactory) -> None:
        super().__init__(executor, clock, new_id)
        self.lose_answers = False
        self.answer: ChargeResult | None = None
        self.charges: list[Charge] = []

    async def charge(self, command: Charge) -> ChargeResult:
        self.charges.append(command)
        result = await super().charge(command)
        if self.lose_answers:
            raise GatewayUnavailable("The line is down.")
        return self.answer or result


class Shop:
    """A wallet service of one's own, with everything it told."""

    def __init__(self, database: Database) -> None:
        self.clock = clock = VirtualClock()
        numbers = itertools.count()
        self.bus = EventBus()
        self.executor = WriteExecutor(database)
        self.gateway = UnreliableGateway(self.executor, clock, lambda: f"sandbox-{next(numbers)}")
        gateways, ledger = Gateways({"sandbox": self.gateway}), Ledger(clock, lambda: f"transfer-{next(numbers)}")

        def new_id() -> str:
            return f"id-{next(numbers)}"

        self.cards = CardPayments(self.executor, ledger, gateways, clock, new_id, self.bus, "EUR")
        self.wallets = WalletService(self.executor, ledger, gateways, self.cards, clock, new_id, "EUR")
        self.credits: list[WalletCredited] = []
        self.bus.subscribe(WalletCredited, self._credited)

    async def _credited(self, event: WalletCredited) -> None:
        self.credits.append(event)

    async def card(self, token: str = "pm_card_visa") -> str:
        return (await self.wallets.add_payment_method("fan", "sandbox", token)).payment_method_id

    async def top_up(self, card: str, key: str, amount_minor: int = 5_000) -> TopUp:
        return await self.wallets.top_up("fan", amount_minor, "EUR", card, key)

    async def balance_minor(self) -> int:
        return (await self.wallets.wallet("fan")).balance_minor


@pytest.fixture
async def shop(tmp_path: Path, database_url: str) -> AsyncIterator[Shop]:
    database = open_database(tmp_path, database_url)
    migrate(database)
    shop = Shop(database)
    yield shop
    await shop.executor.close()
    database.close()


async def test_a_new_wallet_is_empty(shop: Shop) -> None:
    assert await shop.wallets.wallet("fan") == Wallet("EUR", 0, 0, 0)
    assert (await shop.wallets.earnings("star")).pending_minor == 0


async def test_a_card_that_pays_fills_the_wallet_and_everybody_hears(shop: Shop) -> None:
    top_up = await shop.top_up(await shop.card(), "key")
    assert (top_up.status, top_up.decline_code) == (TopUpStatus.SUCCEEDED, None)
    assert await shop.balance_minor() == 5_000
    assert shop.credits == [WalletCredited("fan", 5_000, "EUR")]
    (transaction,) = (await shop.wallets.transactions("fan", None, 10)).items
    assert (transaction.kind, transaction.amount_minor, transaction.ref) == ("top_up", 5_000, top_up.top_up_id)


@pytest.mark.parametrize(
    ("token", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ],
)
async def test_a_card_that_declines_moves_nothing(shop: Shop, token: str, decline_code: str) -> None:
    card = await shop.card(token)
    for _ in range(2):
        top_up = await shop.top_up(card, "key")
        assert (top_up.status, top_up.decline_code) == (TopUpStatus.DECLINED, decline_code)
    assert await shop.balance_minor() == 0
    assert shop.credits == []
    assert len(shop.gateway.charges) == 1


async def test_a_card_that_fails_after_n_declines_the_nth_charge_and_all_later_ones(shop: Shop) -> None:
    card = await shop.card("pm_card_fails_after_3")
    statuses = [(await shop.top_up(card, f"key-{number}")).status for number in range(5)]
    assert statuses == ["succeeded", "succeeded", "declined", "declined", "declined"]


async def test_a_disputing_card_pays_at_first(shop: Shop) -> None:
    assert (await shop.top_up(await shop.card("pm_card_createDispute"), "key")).status == "succeeded"


async def test_the_same_key_is_the_same_top_up(shop: Shop) -> None:
    card = await shop.card()
    first = await shop.top_up(card, "key")
    assert await shop.top_up(card, "key") == first
    assert await shop.balance_minor() == 5_000
    assert len(shop.credits) == 1
    with pytest.raises(IdempotencyConflict):
        await shop.top_up(card, "key", 4_000)


async def test_keys_of_two_users_have_nothing_to_do_with_each_other(shop: Shop) -> None:
    other = await shop.wallets.add_payment_method("other", "sandbox", "pm_card_visa")
    await shop.top_up(await shop.card(), "key")
    top_up = await shop.wallets.top_up("other", 700, "EUR", other.payment_method_id, "key")
    assert top_up.status == "succeeded"
    assert (await shop.wallets.wallet("other")).balance_minor == 700


async def test_an_answer_lost_on_the_way_is_pending_until_asked_again(shop: Shop) -> None:
    card = await shop.card()
    shop.gateway.lose_answers = True
    assert (await shop.top_up(card, "key")).status == TopUpStatus.PENDING
    assert await shop.balance_minor() == 0
    shop.gateway.lose_answers = False
    assert (await shop.top_up(card, "key")).status == TopUpStatus.SUCCEEDED
    assert await shop.balance_minor() == 5_000
    assert len({charge.key for charge in shop.gateway.charges}) == 1


async def test_a_start_asks_about_what_a_crash_interrupted(shop: Shop) -> None:
    card = await shop.card()
    shop.gateway.lose_answers = True
    await shop.top_up(card, "key")
    shop.gateway.lose_answers = False
    await shop.cards.start()
    await shop.cards.start()
    assert await shop.balance_minor() == 5_000
    assert len(shop.credits) == 1


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Pending(), TopUpStatus.PENDING),
        (RequiresRedirect("charge", "https://bank.example"), TopUpStatus.REQUIRES_ACTION),
    ],
)
async def test_a_gateway_that_needs_time_credits_nothing_yet(
    shop: Shop, answer: ChargeResult, status: TopUpStatus
) -> None:
    shop.gateway.answer = answer
    assert (await shop.top_up(await shop.card(), "key")).status == status
    assert await shop.balance_minor() == 0


async def test_what_cannot_be_bought_is_refused(shop: Shop) -> None:
    card = await shop.card()
    for amount_minor in (0, -1, cards_module.MAX_CHARGE_MINOR + 1):
        with pytest.raises(AmountInvalid):
            await shop.top_up(card, "key", amount_minor)
    with pytest.raises(CurrencyMismatch):
        await shop.wallets.top_up("fan", 100, "USD", card, "key")
    with pytest.raises(PaymentMethodUnknown):
        await shop.wallets.top_up("thief", 100, "EUR", card, "key")


@pytest.mark.parametrize(
    "token", ["4242424242424242", "4242 4242 4242 4242", "card=4242-4242-4242-4242;", "378282246310005"]
)
async def test_no_card_number_goes_any_further(shop: Shop, token: str) -> None:
    with pytest.raises(CardNumberRefused):
        await shop.card(token)


def test_tokens_are_no_card_numbers() -> None:
    for token in ("pm_card_visa", "pm_card_fails_after_3", "pm_1NuhpWLkdIwHu7ixZmaJB6dO", "4242424242424241"):
        assert not service_module.looks_like_a_card_number(token)


async def test_a_card_that_was_removed_is_gone(shop: Shop) -> None:
    card = await shop.card()
    with pytest.raises(PaymentMethodUnknown):
        await shop.wallets.remove_payment_method("thief", card)
    await shop.top_up(card, "key")
    await shop.wallets.remove_payment_method("fan", card)
    assert await shop.wallets.payment_methods("fan") == ()
    with pytest.raises(PaymentMethodUnknown):
        await shop.top_up(card, "another key")
    assert (await shop.top_up(card, "key")).status == TopUpStatus.SUCCEEDED


async def test_a_top_up_is_seen_by_its_buyer_only(shop: Shop) -> None:
    top_up = await shop.top_up(await shop.card(), "key")
    assert await shop.wallets.top_up_status("fan", top_up.top_up_id) == top_up
    with pytest.raises(PaymentUnknown):
        await shop.wallets.top_up_status("thief", top_up.top_up_id)


async def test_cards_are_kept_by_a_gateway_that_knows_them(shop: Shop) -> None:
    with pytest.raises(PaymentMethodInvalid):
        await shop.card("pm_card_of_my_neighbour")
    with pytest.raises(GatewayUnknown):
        await shop.wallets.add_payment_method("fan", "stripe", "pm_card_visa")
    card = await shop.card()
    (method,) = await shop.wallets.payment_methods("fan")
    assert (method.payment_method_id, method.brand, method.last4) == (card, "visa", "4242")
    for _ in range(service_module.MAX_PAYMENT_METHODS - 1):
        await shop.card()
    with pytest.raises(TooManyPaymentMethods):
        await shop.card()
