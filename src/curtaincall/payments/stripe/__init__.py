"""Stripe behind the gateway port."""
