"""What Stripe does with what it is asked: the state behind the server. Test cards are named as Stripe names them."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from support.stripe_server import contract, objects
from support.stripe_server.objects import Object

CARDS: Final = {
    "pm_card_visa": "4242",
    "pm_card_chargeCustomerFail": "0341",
    "pm_card_chargeDeclinedInsufficientFunds": "9995",
    "pm_card_authenticationRequired": "3184",
    "pm_card_createDispute": "0259",
    "pm_card_pendingCharge": "6789",
    "pm_card_pendingChargeFails": "2227",
}
"""Test cards and the digits they show. The last two stand for methods that take their time, as bank debits do."""

REFUSED_WHEN_SAVED: Final = "pm_card_chargeDeclined"


class Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, kind: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = objects.error(kind, message, **facts)


@dataclass(slots=True, eq=False)
class Desk:
    """Objects by id, and the events that came of them, in order."""

    now_s: Callable[[], int] = lambda: int(time.time())
    api_version: str = contract.DOCUMENT["info"]["version"]
    known: dict[str, Object] = field(default_factory=dict)
    cards: dict[str, str] = field(default_factory=dict)
    """The test card behind each payment method."""
    events: list[Object] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def work(self, operation: str, subject: str, asked: Object) -> Object:
        """Answer an operation ("post /v1/refunds") on `subject`. Raises Refused."""
        verb, _, path = operation.partition(" ")
        if verb == "get":
            return self._found(subject) if subject else self._listed(path, asked)
        match path:
            case "/v1/customers":
                return self._add(objects.customer(self._id("cus"), self.now_s(), asked.get("metadata", {})))
            case "/v1/setup_intents":
                usage = asked.get("usage", "off_session")
                return self._add(objects.setup_intent(self._id("seti"), self.now_s(), asked.get("customer"), usage))
            case "/v1/payment_methods/{payment_method}/attach":
                return self._attach(subject, asked["customer"])
            case "/v1/payment_methods/{payment_method}/detach":
                method = self._found(subject)
                method["customer"] = None
                return method
            case "/v1/payment_intents":
                intent = objects.payment_intent(self._id("pi"), self.now_s(), asked)
                return self._add(intent | {"status": "requires_payment_method"})
            case "/v1/payment_intents/{intent}/confirm":
                return self._confirm(self._found(subject), asked)
            case "/v1/payment_intents/{intent}/cancel":
                return self._cancel(self._found(subject))
            case "/v1/refunds":
                return self._refund(asked)
            case "/v1/accounts":
                return self._add(objects.account(self._id("acct"), self.now_s(), asked))
            case "/v1/account_links":
                self._found(asked["account"])
                return objects.account_link(asked["account"], self.now_s())
            case "/v1/transfers":
                return self._transfer(asked)
        raise AssertionError(f"no work for {operation}")

    # ---- what happens at Stripe without being asked for -------------------------------------------------------------

    def card_entered(self, test_card: str) -> str:
        """The Payment Element has taken a card: the id of a payment method that is nobody's yet."""
        method = self._add(objects.payment_method(self._id("pm"), self.now_s(), CARDS[test_card], None))
        self.cards[method["id"]] = test_card
        return str(method["id"])

    def concluded(self, intent_id: str, *, paid: bool) -> None:
        """The holder was asked (3-D Secure) and agreed or not; or a slow payment has come to its end."""
        intent = self._found(intent_id)
        if paid:
            self._succeed(intent)
        else:
            self._fail(intent, "payment_intent_authentication_failure", "authentication_required")

    def conclude_pending(self) -> None:
        """What takes its time has taken it."""
        for thing in tuple(self.known.values()):
            if thing["object"] == "payment_intent" and thing["status"] == "processing":
                self.concluded(thing["id"], paid=self.cards[thing["payment_method"]] == "pm_card_pendingCharge")

    def decided(self, dispute_id: str, status: str) -> None:
        """A dispute is `won` or `lost`."""
        dispute = self._found(dispute_id)
        dispute["status"] = status
        self._tell("charge.dispute.closed", dispute)

    def onboarded(self, account_id: str) -> None:
        """The creator has told Stripe who they are."""
        account = self._found(account_id)
        account |= {"charges_enabled": True, "details_submitted": True, "payouts_enabled": True}
        self._tell("account.updated", account)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _attach(self, method_id: str, customer_id: str) -> Object:
        self._found(customer_id)
        if method_id == REFUSED_WHEN_SAVED:
            raise Refused(
                402, "card_error", "Your card was declined.", code="card_declined", decline_code="generic_decline"
            )
        if method_id in CARDS:  # the name of a test card stands for a new card
            method_id = self.card_entered(method_id)
        method = self._found(method_id)
        method["customer"] = customer_id
        return method

    def _confirm(self, intent: Object, asked: Object) -> Object:
        if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
            raise self._unexpected(intent)
        method = self._found(asked["payment_method"])
        if method["customer"] != intent["customer"]:
            said = "The provided PaymentMethod cannot be attached to this customer."
            raise Refused(400, "invalid_request_error", said, code="payment_method_unexpected_state")
        intent["payment_method"] = method["id"]
        match self.cards[method["id"]]:
            case "pm_card_chargeCustomerFail":
                self._decline(intent, "generic_decline")
            case "pm_card_chargeDeclinedInsufficientFunds":
                self._decline(intent, "insufficient_funds")
            case "pm_card_authenticationRequired" if asked.get("off_session"):
                self._decline(intent, "authentication_required")
            case "pm_card_authenticationRequired":
                page = {"return_url": asked["return_url"], "url": f"https://hooks.stripe.com/redirect/{intent['id']}"}
                intent["status"] = "requires_action"
                intent["next_action"] = {"type": "redirect_to_url", "redirect_to_url": page}
            case "pm_card_pendingCharge" | "pm_card_pendingChargeFails":
                intent["status"] = "processing"
            case "pm_card_createDispute":
                self._succeed(intent)
                charge = self._found(intent["latest_charge"])
                charge["disputed"] = True
                self._tell("charge.dispute.created", self._add(objects.dispute(self._id("du"), self.now_s(), charge)))
            case _:
                self._succeed(intent)
        return intent

    def _cancel(self, intent: Object) -> Object:
        if intent["status"] in ("succeeded", "canceled", "processing"):
            raise self._unexpected(intent)
        intent |= {"status": "canceled", "next_action": None, "canceled_at": self.now_s()}
        self._tell("payment_intent.canceled", intent)
        return intent

    def _unexpected(self, intent: Object) -> Refused:
        said = f"This PaymentIntent could not be changed because it has a status of {intent['status']}."
        return Refused(400, "invalid_request_error", said, code="payment_intent_unexpected_state")

    def _listed(self, path: str, asked: Object) -> Object:
        """The newest first, of those that match what was asked for."""
        kind, limit = path.rsplit("/", 1)[1].removesuffix("s"), int(asked.get("limit", 10))
        wanted = {key: value for key, value in asked.items() if key != "limit"}
        found = [
            thing
            for thing in reversed(self.known.values())
            if thing["object"] == kind and all(thing.get(key) == value for key, value in wanted.items())
        ]
        return {"object": "list", "data": found[:limit], "has_more": len(found) > limit, "url": path}

    def _succeed(self, intent: Object) -> None:
        charge = self._add(objects.charge(self._id("ch"), self.now_s(), intent))
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": charge["id"]}
        intent["next_action"] = None
        self._tell("payment_intent.succeeded", intent)

    def _fail(self, intent: Object, code: str, decline_code: str) -> Object:
        failure = {
            "type": "card_error",
            "code": code,
            "decline_code": decline_code,
            "message": "Your card was declined.",
        }
        intent |= {"status": "requires_payment_method", "last_payment_error": failure, "next_action": None}
        self._tell("payment_intent.payment_failed", intent)
        return failure

    def _decline(self, intent: Object, decline_code: str) -> None:
        code = decline_code if decline_code == "authentication_required" else "card_declined"
        failure = self._fail(intent, code, decline_code)
        facts = {key: failure[key] for key in ("code", "decline_code")}
        raise Refused(402, "card_error", failure["message"], payment_intent=dict(intent), **facts)

    def _refund(self, asked: Object) -> Object:
        charge = self._found(self._found(asked["payment_intent"])["latest_charge"])
        amount = asked.get("amount", charge["amount"])
        if charge["amount_refunded"] + amount > charge["amount"]:
            raise Refused(
                400, "invalid_request_error", "Charge has already been refunded.", code="charge_already_refunded"
            )
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        made = objects.refund(self._id("re"), self.now_s(), charge, amount, asked.get("metadata", {}))
        self._tell("charge.refunded", charge)
        self._tell("refund.created", made)
        return self._add(made)

    def _transfer(self, asked: Object) -> Object:
        account = self._found(asked["destination"])
        if not account["payouts_enabled"]:
            raise Refused(
                400,
                "invalid_request_error",
                "Your destination account needs to have at least one of the following capabilities enabled: transfers.",
                code="insufficient_capabilities_for_transfer",
            )
        made = self._add(objects.transfer(self._id("tr"), self.now_s(), asked))
        self._tell("transfer.created", made)
        return made

    def _found(self, identity: str) -> Object:
        if identity not in self.known:
            raise Refused(404, "invalid_request_error", f"No such object: '{identity}'", code="resource_missing")
        return self.known[identity]

    def _add(self, made: Object) -> Object:
        self.known[made["id"]] = made
        return made

    def _id(self, prefix: str) -> str:
        return f"{prefix}_test{next(self._numbers):05d}"

    def _tell(self, kind: str, about: Object) -> None:
        contract.check_object(about["object"], about)
        happened = objects.event(self._id("evt"), self.now_s(), kind, json_copy(about), self.api_version)
        contract.check_object("event", happened)
        self.events.append(happened)


def json_copy(value: Object) -> Object:
    """The object as it is now, whatever becomes of it."""
    return {key: json_copy(item) if isinstance(item, dict) else item for key, item in value.items()}
