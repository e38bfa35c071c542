"""The objects of Stripe that our adapter meets, with every field that the published document requires."""

from typing import Any

Object = dict[str, Any]


def customer(identity: str, now_s: int, metadata: Object) -> Object:
    return {"id": identity, "object": "customer", "created": now_s, "livemode": False, "metadata": metadata}


def setup_intent(identity: str, now_s: int, customer_id: str | None, usage: str) -> Object:
    return {
        "id": identity,
        "object": "setup_intent",
        "client_secret": f"{identity}_secret_of_a_test",
        "created": now_s,
        "customer": customer_id,
        "livemode": False,
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
        "usage": usage,
    }


def payment_method(identity: str, now_s: int, last4: str, customer_id: str | None) -> Object:
    return {
        "id": identity,
        "object": "payment_method",
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        "card": {
            "brand": "visa",
            "checks": None,
            "country": "US",
            "display_brand": "visa",
            "exp_month": 12,
            "exp_year": 2040,
            "funding": "credit",
            "generated_from": None,
            "last4": last4,
            "networks": None,
            "three_d_secure_usage": None,
            "wallet": None,
        },
        "created": now_s,
        "customer": customer_id,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def payment_intent(identity: str, now_s: int, asked: Object) -> Object:
    return {
        "id": identity,
        "object": "payment_intent",
        "amount": asked["amount"],
        "amount_received": 0,
        "client_secret": f"{identity}_secret_of_a_test",
        "created": now_s,
        "currency": asked["currency"],
        "customer": asked.get("customer"),
        "description": asked.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": asked.get("metadata", {}),
        "next_action": None,
        "payment_method": asked.get("payment_method"),
        "payment_method_types": ["card"],
        "status": "requires_confirmation",
    }


def charge(identity: str, now_s: int, intent: Object) -> Object:
    return {
        "id": identity,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        "captured": True,
        "created": now_s,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "disputed": False,
        "livemode": False,
        "metadata": intent["metadata"],
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "refunded": False,
        "status": "succeeded",
    }


def refund(identity: str, now_s: int, of: Object, amount: int, metadata: Object) -> Object:
    return {
        "id": identity,
        "object": "refund",
        "amount": amount,
        "charge": of["id"],
        "created": now_s,
        "currency": of["currency"],
        "metadata": metadata,
        "payment_intent": of["payment_intent"],
        "reason": "requested_by_customer",
        "status": "succeeded",
    }


def dispute(identity: str, now_s: int, of: Object) -> Object:
    return {
        "id": identity,
        "object": "dispute",
        "amount": of["amount"],
        "balance_transactions": [],
        "charge": of["id"],
        "created": now_s,
        "currency": of["currency"],
        "enhanced_eligibility_types": [],
        "evidence": _no_evidence(),
        "evidence_details": {
            "due_by": None,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": of["payment_intent"],
        "reason": "fraudulent",
        "status": "needs_response",
    }


def _no_evidence() -> Object:
    return {"enhanced_evidence": {}}


def account(identity: str, now_s: int, asked: Object) -> Object:
    return {
        "id": identity,
        "object": "account",
        "charges_enabled": False,
        "created": now_s,
        "details_submitted": False,
        "metadata": asked.get("metadata", {}),
        "payouts_enabled": False,
        "type": "express",
    }


def account_link(identity: str, now_s: int) -> Object:
    return {
        "object": "account_link",
        "created": now_s,
        "expires_at": now_s + 300,
        "url": f"https://connect.stripe.com/setup/e/{identity}",
    }


def transfer(identity: str, now_s: int, asked: Object) -> Object:
    return {
        "id": identity,
        "object": "transfer",
        "amount": asked["amount"],
        "amount_reversed": 0,
        "created": now_s,
        "currency": asked["currency"],
        "destination": asked["destination"],
        "livemode": False,
        "metadata": asked.get("metadata", {}),
        "reversals": {"data": [], "has_more": False, "object": "list", "url": f"/v1/transfers/{identity}/reversals"},
        "reversed": False,
        "transfer_group": asked.get("transfer_group"),
    }


def error(kind: str, message: str, **facts: Any) -> Object:
    return {"error": {"type": kind, "message": message, **facts}}


def event(identity: str, now_s: int, kind: str, about: Object, api_version: str) -> Object:
    return {
        "id": identity,
        "object": "event",
        "api_version": api_version,
        "created": now_s,
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 1,
        "request": None,
        "type": kind,
    }
