"""A stateful Stripe of our own on this machine: what crosses the wire is checked against Stripe's published OpenAPI."""

from support.stripe_server.server import StripeServer

__all__ = ["StripeServer"]
