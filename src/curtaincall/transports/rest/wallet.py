"""`/api/wallet`: balance, movements, cards and top-ups of whoever asks; there is no way to name anybody else."""

from datetime import date
from typing import Annotated
from urllib.parse import urljoin

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from curtaincall.accounts.model import UserPrincipal
from curtaincall.kernel.clock import rfc3339
from curtaincall.payments.model import PaymentMethod, TopUp
from curtaincall.payments.recharge import DEFAULT_PER_DAY, MAX_PER_DAY, RechargeRules
from curtaincall.statements.model import Line
from curtaincall.transports.rest import csv
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.keyed import keyed
from curtaincall.transports.rest.wire import AmountMinor, Body, Currency, Id, Items
from curtaincall.transports.services import Services
from curtaincall.transports.views import wallet_view


class WalletBody(Body):
    """balance = held + available"""

    currency: str
    balance_minor: int
    held_minor: int
    available_minor: int


class TransactionBody(Body):
    id: str
    kind: str
    label: str
    amount_minor: int
    currency: str
    created_at: str
    ref: str | None


class NewPaymentMethodBody(Body):
    gateway: Annotated[str, Field(max_length=32)]
    token: Annotated[str, Field(min_length=1, max_length=255)]


class PaymentMethodBody(Body):
    payment_method_id: str
    brand: str
    last4: str


class NewSetupBody(Body):
    gateway: Annotated[str, Field(max_length=32)]


class SetupBody(Body):
    """What the gateway's form in the browser needs; the token it makes is what `payment-methods` takes."""

    gateway: str
    client_secret: str
    publishable_key: str


class GatewayBody(Body):
    """`cardEntry`: `sandbox_tokens` (named test cards) or `payment_element` (the gateway's own form)."""

    gateway: str
    card_entry: str
    publishable_key: str | None = None


class NewAutoRechargeBody(Body):
    enabled: bool
    payment_method_id: Id | None = None
    amount_minor: AmountMinor | None = None
    max_per_day: Annotated[int, Field(ge=1, le=MAX_PER_DAY, strict=True)] = DEFAULT_PER_DAY


class AutoRechargeBody(Body):
    enabled: bool
    payment_method_id: str | None = None
    amount_minor: int | None = None
    max_per_day: int


class NewTopUpBody(Body):
    amount_minor: AmountMinor
    currency: Currency
    payment_method_id: Id


class TopUpBody(Body):
    top_up_id: str
    status: str
    decline_code: str | None = None
    redirect_url: str | None = None
    """Where the card's holder confirms, while the status is `requires_action`."""


def router(services: Services, identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api/wallet", tags=["wallet"])
    User = Annotated[UserPrincipal, Depends(identity.user)]
    wallet = services.wallet

    @routes.get("")
    async def get(user: User) -> WalletBody:
        return WalletBody.model_validate(wallet_view(await wallet.wallet(user.user_id)))

    @routes.get("/transactions")
    async def transactions(
        user: User,
        cursor: Annotated[str | None, Query(max_length=128)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> Items[TransactionBody]:
        """Newest first. `amountMinor` is negative for what left the wallet."""
        page = await services.statements.transactions(user.user_id, cursor, limit)
        items = [transaction_body(line) for line in page.items]
        return Items[TransactionBody](items=items, next_cursor=page.next_cursor)

    @routes.get("/transactions.csv", response_class=StreamingResponse)
    async def transactions_csv(
        user: User, since: Annotated[date | None, Query(alias="from")] = None, to: date | None = None
    ) -> StreamingResponse:
        """The movements from the beginning of one day to the end of another (UTC), oldest first."""
        begin_ms, end_ms = csv.span_ms(since, to, services.clock.now_ms())
        parts = services.statements.transactions_csv(user.user_id, begin_ms, end_ms)
        return csv.attachment(parts, "transactions.csv")

    @routes.get("/payment-methods")
    async def payment_methods(user: User) -> Items[PaymentMethodBody]:
        methods = await wallet.payment_methods(user.user_id)
        return Items[PaymentMethodBody](items=[_method(method) for method in methods])

    @routes.post("/payment-methods", status_code=201)
    async def add_payment_method(body: NewPaymentMethodBody, user: User) -> PaymentMethodBody:
        return _method(await wallet.add_payment_method(user.user_id, body.gateway, body.token))

    @routes.post("/top-ups", status_code=201, response_model=TopUpBody)
    async def top_up(body: NewTopUpBody, user: User, request: Request) -> Response:
        """Pay into the wallet with a saved card. Needs Idempotency-Key. A decline is an answer, not an error."""

        async def work(key: str) -> TopUpBody:
            made = await wallet.top_up(user.user_id, body.amount_minor, body.currency, body.payment_method_id, key)
            return _top_up(made, request)

        return await keyed(services.idempotency, request, user.user_id, 201, work)

    @routes.get("/top-ups/{top_up_id}")
    async def top_up_status(top_up_id: Id, user: User, request: Request) -> TopUpBody:
        return _top_up(await wallet.top_up_status(user.user_id, top_up_id), request)

    _cards(routes, services, identity)
    return routes


def transaction_body(line: Line) -> TransactionBody:
    return TransactionBody(
        id=line.id,
        kind=line.kind,
        label=line.label,
        amount_minor=line.amount_minor,
        currency=line.currency,
        created_at=rfc3339(line.created_at_ms),
        ref=line.ref,
    )


def _cards(routes: APIRouter, services: Services, identity: Identity) -> None:
    """Where cards are entered, forgotten, and charged by themselves."""
    User = Annotated[UserPrincipal, Depends(identity.user)]
    wallet, recharge = services.wallet, services.recharge

    @routes.get("/gateways")
    async def gateways(user: User) -> Items[GatewayBody]:
        entries = {True: "payment_element", False: "sandbox_tokens"}
        items = [
            GatewayBody(
                gateway=gateway.name,
                card_entry=entries[gateway.capabilities.setup_intents],
                publishable_key=gateway.capabilities.publishable_key,
            )
            for gateway in wallet.gateways()
        ]
        return Items[GatewayBody](items=items)

    @routes.post("/payment-methods/setup", status_code=201)
    async def begin_setup(body: NewSetupBody, user: User) -> SetupBody:
        setup = await wallet.begin_setup(user.user_id, body.gateway)
        return SetupBody(gateway=body.gateway, client_secret=setup.client_secret, publishable_key=setup.publishable_key)

    @routes.delete("/payment-methods/{payment_method_id}", status_code=204)
    async def remove_payment_method(payment_method_id: Id, user: User) -> None:
        await wallet.remove_payment_method(user.user_id, payment_method_id)

    @routes.get("/auto-recharge")
    async def auto_recharge(user: User) -> AutoRechargeBody:
        return _recharge(await recharge.rules(user.user_id))

    @routes.put("/auto-recharge")
    async def set_auto_recharge(body: NewAutoRechargeBody, user: User) -> AutoRechargeBody:
        """Allow off-session charges before the wallet runs dry in a call: at most so many a day."""
        rules = RechargeRules(body.enabled, body.payment_method_id, body.amount_minor, body.max_per_day)
        return _recharge(await recharge.set_rules(user.user_id, rules))


def _top_up(top_up: TopUp, request: Request) -> TopUpBody:
    url = top_up.redirect_url
    return TopUpBody(
        top_up_id=top_up.top_up_id,
        status=top_up.status.value,
        decline_code=top_up.decline_code,
        redirect_url=None if url is None else urljoin(str(request.base_url), url),
    )


def _recharge(rules: RechargeRules) -> AutoRechargeBody:
    return AutoRechargeBody(
        enabled=rules.enabled,
        payment_method_id=rules.payment_method_id,
        amount_minor=rules.amount_minor,
        max_per_day=rules.max_per_day,
    )


def _method(method: PaymentMethod) -> PaymentMethodBody:
    return PaymentMethodBody(payment_method_id=method.payment_method_id, brand=method.brand, last4=method.last4)
