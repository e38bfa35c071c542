"""Cards at Stripe over the public API of a real server: from the secret for its form to the money in the wallet."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from support.people import Json, Person
from support.problems import code
from support.server import Server
from support.signaling import Signaling
from support.stripe_server import StripeServer
from support.stripe_server.server import SECRET_KEY, WEBHOOK_SECRET

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True, slots=True)
class Site:
    """A server whose cards are at Stripe."""

    server: Server
    stripe: StripeServer

    def made(self, kind: str, **facts: object) -> list[Json]:
        """The objects of a kind at Stripe of which this is true."""
        objects = self.stripe.desk.known.values()
        return [found for found in objects if found["object"] == kind and facts.items() <= found.items()]

    async def save(self, fan: Person, card: str) -> str:
        """Enter a card as the page does: ask for a secret, let Stripe's form make a token, send us the token."""
        body = {"gateway": "stripe"}
        setup = await self._post("/api/wallet/payment-methods/setup", fan, body)
        assert setup["clientSecret"]
        token = self.stripe.desk.card_entered(card)
        saved = await self._post("/api/wallet/payment-methods", fan, {**body, "token": token})
        return str(saved["paymentMethodId"])

    async def top_up(self, fan: Person, method: str, amount_minor: int = 2_000) -> Json:
        body = {"amountMinor": amount_minor, "currency": "EUR", "paymentMethodId": method}
        return await self._post("/api/wallet/top-ups", fan, body)

    def wallet_of(self, fan: Person) -> Signaling:
        """The line on which the fan hears of every change of the wallet."""
        return Signaling(self.server.url, "/api/events", headers=fan.bearer)

    async def tell(self, kind: str) -> None:
        """Deliver the events of a kind, twice each, as Stripe may."""
        for event in self.stripe.desk.events:
            if event["type"] == kind:
                headers, raw_body = self.stripe.signed(event)
                for _ in range(2):
                    answer = await self.server.people.http.post(
                        "/api/webhooks/stripe", content=raw_body, headers=headers
                    )
                    assert answer.status_code == 202, answer.text

    async def _post(self, path: str, fan: Person, body: Json) -> Json:
        headers = {**fan.bearer, "Idempotency-Key": uuid.uuid4().hex}
        answer = await self.server.people.http.post(path, json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with StripeServer().running() as stripe:
        environment = {
            "CURTAINCALL_PAYMENTS__GATEWAY": "stripe",
            "CURTAINCALL_PAYMENTS__STRIPE__SECRET_KEY": SECRET_KEY,
            "CURTAINCALL_PAYMENTS__STRIPE__PUBLISHABLE_KEY": "pk_test",
            "CURTAINCALL_PAYMENTS__STRIPE__WEBHOOK_SECRET": WEBHOOK_SECRET,
            "CURTAINCALL_PAYMENTS__STRIPE__RETURN_URL": "https://fans.example/wallet",
            "CURTAINCALL_PAYMENTS__STRIPE__API_BASE": stripe.url,
        }
        data_dir = tmp_path_factory.mktemp("site")
        async with Server(data_dir, environment=environment, arguments=()) as server:
            yield Site(server, stripe)
        assert stripe.violations == []
        assert SECRET_KEY not in "\n".join(server.log)


async def test_a_card_entered_at_stripe_fills_the_wallet(site: Site) -> None:
    fan = await site.server.people.fan()
    made = await site.top_up(fan, await site.save(fan, "pm_card_visa"))
    assert made["status"] == "succeeded"
    assert (await site.server.people.wallet(fan))["availableMinor"] == 2_000


async def test_a_decline_is_told_in_stripes_words(site: Site) -> None:
    fan = await site.server.people.fan()
    made = await site.top_up(fan, await site.save(fan, "pm_card_chargeDeclinedInsufficientFunds"))
    assert (made["status"], made["declineCode"]) == ("declined", "insufficient_funds")


async def test_a_confirmation_at_the_bank_is_heard_of_by_webhook(site: Site) -> None:
    fan = await site.server.people.fan()
    made = await site.top_up(fan, await site.save(fan, "pm_card_authenticationRequired"))
    assert made["status"] == "requires_action"
    assert made["redirectUrl"].startswith("https://hooks.stripe.com/")
    [intent] = site.made("payment_intent", status="requires_action")
    site.stripe.desk.concluded(intent["id"], paid=True)
    async with site.wallet_of(fan) as wallet:
        await site.tell("payment_intent.succeeded")
        await wallet.wait_for("WALLET", lambda message: message["availableMinor"] == 2_000)


async def test_a_dispute_takes_the_money_back_once(site: Site) -> None:
    fan = await site.server.people.fan()
    await site.top_up(fan, await site.save(fan, "pm_card_createDispute"))
    async with site.wallet_of(fan) as wallet:
        await site.tell("charge.dispute.created")
        await wallet.wait_for("WALLET", lambda message: message["availableMinor"] == 0)
    status, report = await site.server.command("ledger", "verify")
    assert status == 0, report


async def test_an_idempotency_key_is_one_charge_at_stripe(site: Site) -> None:
    fan = await site.server.people.fan()
    method = await site.save(fan, "pm_card_visa")
    body = {"amountMinor": 700, "currency": "EUR", "paymentMethodId": method}
    headers = {**fan.bearer, "Idempotency-Key": "one-key"}
    answers = [await site.server.people.http.post("/api/wallet/top-ups", json=body, headers=headers) for _ in range(3)]
    assert len({answer.text for answer in answers}) == 1
    assert len(site.made("charge", amount=700)) == 1


async def test_another_users_card_cannot_be_charged(site: Site) -> None:
    fan, other = await site.server.people.fan(), await site.server.people.fan()
    method = await site.save(fan, "pm_card_visa")
    body = {"amountMinor": 700, "currency": "EUR", "paymentMethodId": method}
    headers = {**other.bearer, "Idempotency-Key": "a-key"}
    answer = await site.server.people.http.post("/api/wallet/top-ups", json=body, headers=headers)
    assert code(answer) == (404, "payment_method_unknown")


async def test_a_forged_webhook_is_refused(site: Site) -> None:
    headers = {"Stripe-Signature": "t=1,v1=00"}
    answer = await site.server.people.http.post("/api/webhooks/stripe", content=b"{}", headers=headers)
    assert answer.status_code in (400, 401, 403), answer.text
    assert answer.json()["code"] == "webhook_forged"


async def test_the_page_may_open_stripes_form_and_nothing_else(site: Site) -> None:
    policy = (await site.server.people.http.get("/")).headers["content-security-policy"]
    assert "script-src 'self' https://js.stripe.com https://*.js.stripe.com;" in policy
    assert "frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com;" in policy
    fan = await site.server.people.fan()
    answer = await site.server.people.http.get("/api/wallet/gateways", headers=fan.bearer)
    assert answer.json()["items"] == [
        {"gateway": "stripe", "cardEntry": "payment_element", "publishableKey": "pk_test"}
    ]
