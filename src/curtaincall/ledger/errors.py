"""What the ledger refuses, each with its stable code."""

from curtaincall.kernel.errors import CurtaincallError


class LedgerError(CurtaincallError):
    """Base of what the ledger refuses."""

    code = "ledger_error"


class InsufficientFunds(LedgerError):
    """A guarded account has less available than the command takes."""

    code = "insufficient_funds"


class TransferInvalid(LedgerError):
    """A command that cannot be: no legs, an amount that is not positive, two currencies, an account with itself."""

    code = "transfer_invalid"


class IdempotencyConflict(LedgerError):
    """The key was used before by a command with another body."""

    code = "idempotency_conflict"


class HoldUnknown(LedgerError):
    """No hold has this key."""

    code = "hold_unknown"


class HoldAlreadyPosted(LedgerError):
    """The hold was posted before: it is resolved once."""

    code = "hold_already_posted"


class HoldAlreadyVoided(LedgerError):
    """The hold was voided before: it is resolved once."""

    code = "hold_already_voided"


class HoldExpired(LedgerError):
    """The hold's time is over: what it reserved returns, or has returned."""

    code = "hold_expired"


class HoldExceeded(LedgerError):
    """A post of more than was held."""

    code = "hold_exceeded"
