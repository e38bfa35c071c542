"""Each gateway with what a test has to be able to do to it, whatever it is."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pydantic import SecretStr

from curtaincall.payments.ports import Gateway
from curtaincall.payments.sandbox import SandboxGateway
from curtaincall.payments.signature import sign
from curtaincall.payments.stripe.gateway import StripeAccount, StripeGateway
from curtaincall.storage.executor import WriteExecutor
from support.stripe_server import StripeServer
from support.stripe_server.server import SECRET_KEY, WEBHOOK_SECRET
from support.virtual_clock import VirtualClock

Webhook = tuple[dict[str, str], bytes]
"""Headers with lower-case names, and the raw body."""


class Card(StrEnum):
    """How a card behaves; which token that is, each gateway knows."""

    PAYS = "pays"
    DECLINES = "declines"
    LACKS_FUNDS = "lacks_funds"
    ASKS_HOLDER = "asks_holder"
    PAYS_LATER = "pays_later"
    FAILS_LATER = "fails_later"
    DISPUTES = "disputes"


class GatewayBench(Protocol):
    """A gateway, and the world around it."""

    gateway: Gateway

    def token(self, card: Card) -> str: ...

    def now_ms(self) -> int: ...

    async def holder_decides(self, gateway_id: str, *, confirms: bool) -> None:
        """The card's holder answers on the page that a redirect led to."""
        ...

    async def time_goes_by(self) -> None:
        """Whatever the gateway still had to decide is decided, disputes are opened."""
        ...

    async def may_be_paid(self, recipient_id: str) -> None:
        """The recipient has told the gateway all that it wants to know."""
        ...

    async def webhooks(self) -> list[Webhook]:
        """Everything that the gateway has told so far."""
        ...

    def resigned(self, raw_body: bytes, at_ms: int, secret: str | None = None) -> Webhook:
        """A webhook with this body, signed at another time, or with another secret."""
        ...


SANDBOX_SECRET = "a secret of the sandbox"


@dataclass(slots=True)
class SandboxBench:
    gateway: SandboxGateway
    clock: VirtualClock
    told: list[Webhook] = field(default_factory=list)

    def token(self, card: Card) -> str:
        return {
            Card.PAYS: "pm_card_visa",
            Card.DECLINES: "pm_card_chargeDeclined",
            Card.LACKS_FUNDS: "pm_card_chargeDeclinedInsufficientFunds",
            Card.ASKS_HOLDER: "pm_card_authenticationRequired",
            Card.PAYS_LATER: "pm_card_pending_then_succeeds",
            Card.FAILS_LATER: "pm_card_pending_then_fails",
            Card.DISPUTES: "pm_card_createDispute",
        }[card]

    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def holder_decides(self, gateway_id: str, *, confirms: bool) -> None:
        assert await self.gateway.holder_decides(gateway_id, confirms)

    async def time_goes_by(self) -> None:
        for _ in range(3):
            self.clock.advance_us(10_000_000)
            await self.gateway.work()

    async def may_be_paid(self, recipient_id: str) -> None:
        """Everybody may."""

    async def webhooks(self) -> list[Webhook]:
        async def receive(headers: Mapping[str, str], raw_body: bytes) -> None:
            self.told.append((dict(headers), raw_body))

        while await self.gateway.webhooks_waiting():
            self.clock.advance_us(1_000_000)
            await self.gateway.send_webhooks(receive)
        return self.told

    def resigned(self, raw_body: bytes, at_ms: int, secret: str | None = None) -> Webhook:
        return {"sandbox-signature": sign(secret or SANDBOX_SECRET, raw_body, at_ms // 1_000)}, raw_body


@dataclass(slots=True)
class StripeBench:
    gateway: StripeGateway
    server: StripeServer

    def token(self, card: Card) -> str:
        return {
            Card.PAYS: "pm_card_visa",
            Card.DECLINES: "pm_card_chargeCustomerFail",
            Card.LACKS_FUNDS: "pm_card_chargeDeclinedInsufficientFunds",
            Card.ASKS_HOLDER: "pm_card_authenticationRequired",
            Card.PAYS_LATER: "pm_card_pendingCharge",
            Card.FAILS_LATER: "pm_card_pendingChargeFails",
            Card.DISPUTES: "pm_card_createDispute",
        }[card]

    def now_ms(self) -> int:
        return self.server.desk.now_s() * 1_000

    async def holder_decides(self, gateway_id: str, *, confirms: bool) -> None:
        self.server.desk.concluded(gateway_id, paid=confirms)

    async def time_goes_by(self) -> None:
        self.server.desk.conclude_pending()

    async def may_be_paid(self, recipient_id: str) -> None:
        await self.gateway.begin_onboarding(recipient_id)
        for thing in list(self.server.desk.known.values()):
            if thing["object"] == "account":
                self.server.desk.onboarded(thing["id"])

    async def webhooks(self) -> list[Webhook]:
        signed = (self.server.signed(event) for event in self.server.desk.events)
        return [({name.lower(): value for name, value in headers.items()}, body) for headers, body in signed]

    def resigned(self, raw_body: bytes, at_ms: int, secret: str | None = None) -> Webhook:
        return {"stripe-signature": sign(secret or WEBHOOK_SECRET, raw_body, at_ms // 1_000)}, raw_body


@asynccontextmanager
async def sandbox_bench(executor: WriteExecutor) -> AsyncIterator[GatewayBench]:
    clock = VirtualClock()
    numbers = iter(range(1_000_000))
    gateway = SandboxGateway(executor, clock, lambda: f"id-{next(numbers)}", secret=SANDBOX_SECRET)
    yield SandboxBench(gateway, clock)


@asynccontextmanager
async def stripe_bench(executor: WriteExecutor) -> AsyncIterator[GatewayBench]:
    async with StripeServer().running() as server:
        account = StripeAccount(
            SecretStr(SECRET_KEY),
            "pk_test",
            SecretStr(WEBHOOK_SECRET),
            "https://fans.example/wallet",
            base_url=server.url,
        )
        gateway = StripeGateway(account, executor)
        yield StripeBench(gateway, server)
        await gateway.close()
        assert server.violations == []
