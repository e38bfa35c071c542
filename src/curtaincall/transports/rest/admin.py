"""`/api/admin`: for admins and services of that scope. To anybody else there is nothing here."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from curtaincall.accounts.model import Principal, ServicePrincipal
from curtaincall.backoffice.audit import MAX_REASON_CHARS, Entry
from curtaincall.backoffice.model import Money, Order
from curtaincall.kernel.clock import rfc3339
from curtaincall.payments.dispute_store import Dispute
from curtaincall.payments.ports import DisputeState
from curtaincall.payments.refund_store import OPEN, Refund, RefundStatus
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.keyed import keyed
from curtaincall.transports.rest.wallet import TransactionBody, WalletBody, transaction_body
from curtaincall.transports.rest.wire import Body, Currency, Id, Items
from curtaincall.transports.services import Services

Reason = Annotated[str, Field(min_length=1, max_length=MAX_REASON_CHARS)]
SignedMinor = Annotated[int, Field(ge=-(10**12), le=10**12, strict=True)]
Who = Annotated[str, Field(min_length=1, max_length=254)]
"""A user id or an email address."""


class ReasonBody(Body):
    reason: Reason


class AdjustmentRequest(Body):
    user_id: Who
    amount_minor: SignedMinor
    currency: Currency
    reason: Reason


class AdjustmentBody(Body):
    adjustment_id: str


class StandingBody(Body):
    user_id: str
    email: str
    frozen: bool


class AdminRequest(Body):
    admin: bool
    reason: Reason


class AdminBody(Body):
    user_id: str
    email: str
    admin: bool


class HoldBody(Body):
    key: str
    kind: str
    amount_minor: int
    created_at: str
    ref: str


class EarnedBody(Body):
    pending_minor: int
    payable_minor: int
    owed_minor: int


class RefundRequestBody(Body):
    transaction_id: Id
    reason: Reason


class RefundBody(Body):
    """`status` is `succeeded`, or `pending` until the gateway has decided."""

    refund_id: str
    user_id: str
    kind: str
    amount_minor: int
    currency: str
    status: str
    failure_code: str | None


class ResolutionBody(Body):
    outcome: Literal["won", "lost"]
    reason: Reason


class DisputeBody(Body):
    dispute_id: str
    payment_id: str
    user_id: str
    state: str
    amount_minor: int
    currency: str
    opened_at: str


class PaidOutBody(Body):
    payout_id: str
    amount_minor: int
    status: str
    failure_code: str | None
    created_at: str


class SubscribedBody(Body):
    subscription_id: str
    model_id: str
    display_name: str
    state: str
    price_minor: int
    created_at: str


class MoneyBody(Body):
    """Everything about a user's money."""

    user_id: str
    email: str
    display_name: str
    role: str
    admin: bool
    frozen_since: str | None
    frozen_reason: str | None
    wallet: WalletBody
    holds: list[HoldBody]
    earnings: EarnedBody
    payouts: list[PaidOutBody]
    disputes: list[DisputeBody]
    subscriptions: list[SubscribedBody]
    transactions: list[TransactionBody]


class AuditBody(Body):
    act_id: str
    at: str
    actor: str
    act: str
    subject: str
    phase: str
    reason: str
    details: dict[str, object]


def router(services: Services, identity: Identity) -> APIRouter:
    # Not in the description that everybody can read: what is not there for somebody is not shown to them either.
    routes = APIRouter(prefix="/api/admin", tags=["operator"], include_in_schema=False)
    Admin = Annotated[Principal, Depends(identity.admin)]
    office = services.backoffice

    @routes.get("/users/{who}/money")
    async def money(who: Who, admin: Admin) -> MoneyBody:
        return _money(await office.money_of(actor_of(admin), who))

    @routes.post("/adjustments", status_code=201, response_model=AdjustmentBody)
    async def adjust(body: AdjustmentRequest, admin: Admin, request: Request) -> Response:
        """Give wallet money or, below zero, take it. Needs Idempotency-Key."""
        actor = actor_of(admin)

        async def work(key: str) -> AdjustmentBody:
            order = Order(actor, key, body.reason)
            made = await office.adjust(order, body.user_id, body.amount_minor, body.currency)
            return AdjustmentBody(adjustment_id=made)

        return await keyed(services.idempotency, request, actor, 201, work)

    @routes.post("/refunds", status_code=201, response_model=RefundBody)
    async def refund(body: RefundRequestBody, admin: Admin, request: Request) -> Response:
        """Give a transaction back, as a statement names it. Needs Idempotency-Key."""
        actor = actor_of(admin)

        async def work(key: str) -> RefundBody:
            return _refund(await office.refund(Order(actor, key, body.reason), body.transaction_id))

        return await keyed(services.idempotency, request, actor, 201, work)

    @routes.get("/disputes")
    async def disputes(_: Admin, state: DisputeState | None = None) -> Items[DisputeBody]:
        """The newest ones, newest first."""
        return Items[DisputeBody](items=[_dispute(found) for found in await office.disputes(state)])

    @routes.post("/disputes/{dispute_id}/resolve")
    async def resolve(dispute_id: str, body: ResolutionBody, admin: Admin) -> DisputeBody:
        """Decide a dispute, as the bank has decided it."""
        order = Order(actor_of(admin), services.ids(), body.reason)
        return _dispute(await office.resolve_dispute(order, dispute_id, DisputeState(body.outcome)))

    @routes.post("/users/{who}/freeze")
    async def freeze(who: Who, body: ReasonBody, admin: Admin) -> StandingBody:
        user = await office.freeze(Order(actor_of(admin), services.ids(), body.reason), who)
        return StandingBody(user_id=user.user_id, email=user.email, frozen=True)

    @routes.post("/users/{who}/unfreeze")
    async def unfreeze(who: Who, body: ReasonBody, admin: Admin) -> StandingBody:
        user = await office.unfreeze(Order(actor_of(admin), services.ids(), body.reason), who)
        return StandingBody(user_id=user.user_id, email=user.email, frozen=False)

    @routes.post("/users/{who}/admin")
    async def set_admin(who: Who, body: AdminRequest, admin: Admin) -> AdminBody:
        """Give or take the right to all this; a change ends the user's sessions."""
        user = await office.set_admin(Order(actor_of(admin), services.ids(), body.reason), who, body.admin)
        return AdminBody(user_id=user.user_id, email=user.email, admin=body.admin)

    @routes.get("/audit")
    async def audit(
        admin: Admin,
        subject: Annotated[str | None, Query(max_length=128)] = None,
        cursor: Annotated[str | None, Query(max_length=128)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> Items[AuditBody]:
        """Newest first; of one user, transaction or dispute with `subject`."""
        page = await office.audit(subject, cursor, limit)
        return Items[AuditBody](items=[_entry(entry) for entry in page.items], next_cursor=page.next_cursor)

    return routes


def actor_of(principal: Principal) -> str:
    """How an admin is named in the audit log."""
    if isinstance(principal, ServicePrincipal):
        return f"service:{principal.name}"
    return f"user:{principal.user_id}"


def _money(money: Money) -> MoneyBody:
    return MoneyBody(
        user_id=money.user.user_id,
        email=money.user.email,
        display_name=money.user.display_name,
        role=money.user.role.value,
        admin=money.admin,
        frozen_since=rfc3339(money.frozen.since_ms) if money.frozen else None,
        frozen_reason=money.frozen.reason if money.frozen else None,
        wallet=WalletBody(
            currency=money.currency,
            balance_minor=money.wallet.balance_minor,
            held_minor=money.wallet.held_minor,
            available_minor=money.wallet.available_minor,
        ),
        holds=[
            HoldBody(
                key=hold.key,
                kind=hold.purpose,
                amount_minor=hold.amount_minor,
                created_at=rfc3339(hold.created_at_ms),
                ref=hold.ref,
            )
            for hold in money.holds
        ],
        earnings=EarnedBody(
            pending_minor=money.pending_minor, payable_minor=money.payable_minor, owed_minor=money.owed_minor
        ),
        payouts=[
            PaidOutBody(
                payout_id=payout.payout_id,
                amount_minor=payout.amount_minor,
                status=payout.status,
                failure_code=payout.failure_code,
                created_at=rfc3339(payout.created_at_ms),
            )
            for payout in money.payouts
        ],
        disputes=[_dispute(found) for found in money.disputes],
        subscriptions=[
            SubscribedBody(
                subscription_id=view.subscription.subscription_id,
                model_id=view.subscription.creator_id,
                display_name=view.creator_name,
                state=view.subscription.state,
                price_minor=view.subscription.price_minor,
                created_at=rfc3339(view.subscription.created_at_ms),
            )
            for view in money.subscriptions
        ],
        transactions=[transaction_body(line) for line in money.transactions],
    )


def _refund(refund: Refund) -> RefundBody:
    return RefundBody(
        refund_id=refund.refund_id,
        user_id=refund.user_id,
        kind=refund.purpose,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        status=RefundStatus.PENDING if refund.status in OPEN else refund.status,
        failure_code=refund.failure_code,
    )


def _dispute(dispute: Dispute) -> DisputeBody:
    return DisputeBody(
        dispute_id=dispute.dispute_id,
        payment_id=dispute.payment_id,
        user_id=dispute.user_id,
        state=dispute.state,
        amount_minor=dispute.amount_minor,
        currency=dispute.currency,
        opened_at=rfc3339(dispute.opened_at_ms),
    )


def _entry(entry: Entry) -> AuditBody:
    return AuditBody(
        act_id=entry.act_id,
        at=rfc3339(entry.at_ms),
        actor=entry.actor,
        act=entry.act,
        subject=entry.subject,
        phase=entry.phase,
        reason=entry.reason,
        details=dict(entry.details),
    )
