"""The sandbox: a card processor of our own that moves no real money, and behaves as badly as real ones do.

Stateful: cards, charges, refunds, payouts, disputes and the webhooks still to be sent are kept in tables of its own,
written in transactions of its own. Everything it decides by itself follows from a token, an amount or its seed.
"""

from curtaincall.payments.sandbox.gateway import SandboxGateway
from curtaincall.payments.sandbox.rules import SandboxRules
from curtaincall.payments.sandbox.secret import webhook_secret

__all__ = ["SandboxGateway", "SandboxRules", "webhook_secret"]
