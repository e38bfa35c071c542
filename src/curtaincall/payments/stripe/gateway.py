"""The Gateway on Stripe: cards saved by its Payment Element, off-session PaymentIntents, refunds, Connect transfers.

A charge is made in two steps. The PaymentIntent is created unconfirmed and its id is kept under our key; only then is
it confirmed. Whatever is lost in between, repeating the charge finds that intent again, and an intent pays once:
Stripe's own idempotency keys, which it forgets after a day, only spare it a second unconfirmed one.
"""

import json
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import stripe
from pydantic import SecretStr
from stripe.params import SetupIntentCreateParams

from curtaincall.payments.errors import (
    GatewayUnavailable,
    IdempotencyConflict,
    PaymentMethodInvalid,
    PaymentUnknown,
)
from curtaincall.payments.ports import (
    Capabilities,
    Charge,
    ChargeResult,
    Declined,
    DisputeObject,
    DisputeState,
    PayOut,
    PayoutResult,
    Pending,
    RefundCharge,
    RefundResult,
    RequiresRedirect,
    SavedMethod,
    SetupIntent,
    Succeeded,
    WebhookEvent,
)
from curtaincall.payments.stripe import objects
from curtaincall.payments.stripe.objects import Kind, StripeObject
from curtaincall.payments.stripe.webhooks import read_event
from curtaincall.storage.executor import WriteExecutor

ASK_TIMEOUT_S: Final = 15.0
"""How long one request to Stripe may take, its repetitions not included."""

ASK_AGAIN: Final = 2
"""How often the SDK repeats a request that got no answer; each repetition carries the same idempotency key."""

DISPUTE_STATES: Final = {
    "needs_response": DisputeState.OPENED,
    "under_review": DisputeState.OPENED,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}
"""The others are inquiries (`warning_*`), which move no money, and what Stripe prevented."""

MOST_REFUNDS: Final = 100
"""The most refunds of one charge that are looked through; ours are whole charges, so one is usual."""

NOT_ONBOARDED: Final = "account_not_ready"

R = TypeVar("R")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """How to reach Stripe, and as whom."""

    secret_key: SecretStr
    publishable_key: str
    webhook_secret: SecretStr
    return_url: str
    """Where a card holder comes back to after confirming at the bank."""
    webhook_tolerance_s: int = 300
    base_url: str | None = None
    """Another server of the same API; None for Stripe's own."""


class StripeGateway:
    """Cards at Stripe. Amounts are minor units, as Stripe takes them."""

    name: Final = "stripe"

    def __init__(self, account: StripeAccount, executor: WriteExecutor) -> None:
        self._account = account
        self.capabilities: Final = Capabilities(
            off_session=True,
            refunds=True,
            payouts=True,
            redirects=True,
            setup_intents=True,
            publishable_key=account.publishable_key,
            onboarding=True,
        )
        self._executor = executor
        addresses: Any = {} if account.base_url is None else {"base_addresses": {"api": account.base_url}}
        self._http = stripe.HTTPXClient(timeout=ASK_TIMEOUT_S, allow_sync_methods=False)
        self._stripe = stripe.StripeClient(
            account.secret_key.get_secret_value(),
            http_client=self._http,
            max_network_retries=ASK_AGAIN,
            **addresses,
        ).v1

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK's clients have no types

    # ---- cards ------------------------------------------------------------------------------------------------------

    async def begin_setup(self, customer_id: str) -> SetupIntent:
        customer = await self._customer(customer_id)
        wanted: SetupIntentCreateParams = {
            "customer": customer,
            "usage": "off_session",
            "allowed_payment_method_types": ["card"],
        }
        intent = await _asked(self._stripe.setup_intents.create_async(wanted))
        if intent.client_secret is None:
            raise GatewayUnavailable("Stripe gave no secret for the card's entry.")
        return SetupIntent(intent.client_secret, self._account.publishable_key)

    async def save_method(self, customer_id: str, token: str) -> SavedMethod:
        customer = await self._customer(customer_id)
        try:
            method = await _asked(self._stripe.payment_methods.attach_async(token, {"customer": customer}))
        except (stripe.CardError, stripe.InvalidRequestError) as refusal:
            raise PaymentMethodInvalid("Stripe does not take this card.", reason=refusal.code or "unknown") from None
        if method.card is None:
            raise PaymentMethodInvalid("This is not a card.")
        return SavedMethod(method.id, method.card.brand, method.card.last4)

    async def forget_method(self, gateway_ref: str) -> None:
        try:
            await _asked(self._stripe.payment_methods.detach_async(gateway_ref))
        except stripe.InvalidRequestError:
            log.info("stripe_method_unknown")  # it is forgotten already

    # ---- charges ----------------------------------------------------------------------------------------------------

    async def charge(self, command: Charge) -> ChargeResult:
        intent_id = await self._intent_of(command)
        found = await self._intent(intent_id)
        if found.status not in ("requires_confirmation", "requires_payment_method") or found.last_payment_error:
            return await self._outcome(found)  # it was confirmed before, and this is what came of it
        method: Any = {"payment_method": command.gateway_ref, "return_url": self._account.return_url}
        if command.off_session:
            method = {"payment_method": command.gateway_ref, "off_session": True}
        try:
            confirmed = await _asked(
                self._stripe.payment_intents.confirm_async(
                    intent_id, method, {"idempotency_key": f"confirm:{command.key}"}
                )
            )
        except (stripe.CardError, stripe.InvalidRequestError) as refusal:
            return await self._declined(intent_id, _code(refusal))
        return await self._outcome(confirmed)

    async def charge_status(self, gateway_id: str) -> ChargeResult:
        return await self._outcome(await self._intent(gateway_id))

    async def cancel_charge(self, gateway_id: str) -> ChargeResult:
        return await self._declined(gateway_id, "canceled")

    async def _intent_of(self, command: Charge) -> str:
        """The id of the charge's intent: the one it has, or a new one that is not confirmed yet."""
        facts = json.dumps([command.gateway_ref, command.amount_minor, command.currency, command.off_session])
        known = await self._executor.read(lambda tx: objects.find(tx, Kind.PAYMENT_INTENT, command.key))
        if known is None:
            made = await _asked(
                self._stripe.payment_intents.create_async(
                    {
                        "amount": command.amount_minor,
                        "currency": command.currency.lower(),
                        "customer": await self._customer(command.customer_id),
                        "description": command.description or "Wallet top-up",
                        "metadata": {"key": command.key},
                        "allowed_payment_method_types": ["card"],
                    },
                    {"idempotency_key": f"charge:{command.key}"},
                )
            )
            intent = StripeObject(Kind.PAYMENT_INTENT, command.key, made.id, facts)
            known = await self._executor.submit(objects.keep, intent)
        if known.facts != facts:
            raise IdempotencyConflict("This key belongs to another charge.", key=command.key)
        return known.object_id

    async def _intent(self, intent_id: str) -> stripe.PaymentIntent:
        return await _found(self._stripe.payment_intents.retrieve_async(intent_id))

    async def _outcome(self, intent: stripe.PaymentIntent) -> ChargeResult:
        match intent.status:
            case "succeeded":
                return Succeeded(intent.id)
            case "requires_action":
                page = intent.next_action.redirect_to_url if intent.next_action else None
                if page is not None and page.url:
                    return RequiresRedirect(intent.id, page.url)
                return Pending(intent.id)
            case "canceled":
                return Declined(_reason(intent), intent.id)
            case "requires_payment_method":
                return await self._declined(intent.id, _reason(intent))
            case _:
                return Pending(intent.id)

    async def _declined(self, intent_id: str, code: str) -> ChargeResult:
        """See to it that the intent never succeeds. If it just did, that is what counts."""
        try:
            await _asked(self._stripe.payment_intents.cancel_async(intent_id))
        except stripe.InvalidRequestError:
            found = await self._intent(intent_id)
            if found.status not in ("canceled", "requires_payment_method"):
                return await self._outcome(found)
        return Declined(code, intent_id)

    # ---- refunds, payouts, disputes ---------------------------------------------------------------------------------

    async def refund(self, command: RefundCharge) -> RefundResult:
        for refund in await self._refunds_of(command.charge_id):
            if refund.metadata is not None and refund.metadata.to_dict().get("key") == command.key:
                _check_same(command.key, (refund.amount, refund.currency), (command.amount_minor, command.currency))
                return _refunded(refund)
        try:
            refund = await _asked(
                self._stripe.refunds.create_async(
                    {
                        "payment_intent": command.charge_id,
                        "amount": command.amount_minor,
                        "metadata": {"key": command.key},
                    },
                    {"idempotency_key": f"refund:{command.key}"},
                )
            )
        except stripe.InvalidRequestError as refusal:
            return Declined(_code(refusal))
        return _refunded(refund)

    async def refund_status(self, gateway_id: str) -> RefundResult:
        return _refunded(await _found(self._stripe.refunds.retrieve_async(gateway_id)))

    async def _refunds_of(self, intent_id: str) -> list[stripe.Refund]:
        await self._intent(intent_id)
        made = await _asked(self._stripe.refunds.list_async({"payment_intent": intent_id, "limit": MOST_REFUNDS}))
        return made.data

    async def payout(self, command: PayOut) -> PayoutResult:
        account = await self._executor.read(lambda tx: objects.find(tx, Kind.ACCOUNT, command.recipient_id))
        if account is None:
            return Declined(NOT_ONBOARDED)
        made = await _asked(self._stripe.transfers.list_async({"transfer_group": command.key, "limit": 1}))
        for transfer in made.data:
            _check_same(command.key, (transfer.amount, transfer.currency), (command.amount_minor, command.currency))
            return _transferred(transfer)
        try:
            transfer = await _asked(
                self._stripe.transfers.create_async(
                    {
                        "amount": command.amount_minor,
                        "currency": command.currency.lower(),
                        "destination": account.object_id,
                        "metadata": {"key": command.key},
                        "transfer_group": command.key,
                    },
                    {"idempotency_key": f"payout:{command.key}"},
                )
            )
        except stripe.InvalidRequestError as refusal:
            # Nothing was made of it, and Stripe keeps that answer for the key: another payout has another key.
            return Declined(_code(refusal))
        return _transferred(transfer)

    async def payout_status(self, gateway_id: str) -> PayoutResult:
        return _transferred(await _found(self._stripe.transfers.retrieve_async(gateway_id)))

    async def begin_onboarding(self, recipient_id: str) -> str:
        account = await self._executor.read(lambda tx: objects.find(tx, Kind.ACCOUNT, recipient_id))
        if account is None:
            made = await _asked(
                self._stripe.accounts.create_async(
                    {
                        "type": "express",
                        "capabilities": {"transfers": {"requested": True}},
                        "metadata": {"user_id": recipient_id},
                    },
                    {"idempotency_key": f"account:{recipient_id}"},
                )
            )
            account = await self._executor.submit(objects.keep, StripeObject(Kind.ACCOUNT, recipient_id, made.id))
        link = await _asked(
            self._stripe.account_links.create_async(
                {
                    "account": account.object_id,
                    "type": "account_onboarding",
                    "refresh_url": self._account.return_url,
                    "return_url": self._account.return_url,
                }
            )
        )
        return link.url

    async def dispute(self, dispute_id: str) -> DisputeObject:
        found = await _found(self._stripe.disputes.retrieve_async(dispute_id))
        intent = found.payment_intent
        if not isinstance(intent, str):
            raise PaymentUnknown("The dispute is about no charge of ours.")
        state = DISPUTE_STATES.get(found.status, DisputeState.INQUIRY)
        return DisputeObject(found.id, intent, found.amount, found.currency.upper(), state)

    def verify_webhook(self, headers: Mapping[str, str], raw_body: bytes, now_ms: int) -> WebhookEvent:
        secret = self._account.webhook_secret.get_secret_value()
        return read_event(headers, raw_body, secret, now_ms, self._account.webhook_tolerance_s)

    async def _customer(self, user_id: str) -> str:
        known = await self._executor.read(lambda tx: objects.find(tx, Kind.CUSTOMER, user_id))
        if known is None:
            # Nothing of the user is told but the id: it is what joins the two sides' records.
            made = await _asked(
                self._stripe.customers.create_async(
                    {"metadata": {"user_id": user_id}}, {"idempotency_key": f"customer:{user_id}"}
                )
            )
            known = await self._executor.submit(objects.keep, StripeObject(Kind.CUSTOMER, user_id, made.id))
        return known.object_id


async def _asked(answer: Awaitable[R]) -> R:
    """Wait for Stripe. What it refuses for a reason is raised as it is; anything else is GatewayUnavailable."""
    try:
        return await answer
    except (stripe.CardError, stripe.InvalidRequestError):
        raise
    except stripe.IdempotencyError:
        raise IdempotencyConflict("Stripe knows this key for another request.") from None
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        log.critical("stripe_refuses_our_key", extra={"error": type(error).__name__})
        raise GatewayUnavailable("The gateway does not take our key.") from None
    except (TimeoutError, stripe.StripeError) as error:
        log.warning("stripe_unavailable", extra={"error": type(error).__name__})
        raise GatewayUnavailable("Stripe does not answer.") from error


async def _found(answer: Awaitable[R]) -> R:
    """As `_asked`, of an object that there should be. Raises PaymentUnknown."""
    try:
        return await _asked(answer)
    except stripe.InvalidRequestError:
        raise PaymentUnknown("Stripe knows no such object.") from None


def _check_same(key: str, made: tuple[int, str], wanted: tuple[int, str]) -> None:
    """Raise IdempotencyConflict unless amount and currency of what the key made are those that are wanted."""
    if (made[0], made[1].upper()) != wanted:
        raise IdempotencyConflict("This key belongs to another movement.", key=key)


def _code(refusal: stripe.StripeError) -> str:
    details = getattr(refusal, "error", None)
    return getattr(details, "decline_code", None) or refusal.code or "refused"


def _reason(intent: stripe.PaymentIntent) -> str:
    failure = intent.last_payment_error
    if failure is None:
        return "canceled"
    return getattr(failure, "decline_code", None) or failure.code or "refused"


def _refunded(refund: stripe.Refund) -> RefundResult:
    match refund.status:
        case "succeeded":
            return Succeeded(refund.id)
        case "failed" | "canceled":
            return Declined(refund.failure_reason or refund.status, refund.id)
        case _:
            return Pending(refund.id)


def _transferred(transfer: stripe.Transfer) -> PayoutResult:
    return Declined("reversed", transfer.id) if transfer.reversed else Succeeded(transfer.id)
