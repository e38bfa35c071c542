"""Refusals of the accounts domain."""

from curtaincall.kernel.errors import CurtaincallError


class AccountsError(CurtaincallError):
    """Base of this domain's refusals."""

    code = "accounts_error"


class EmailTaken(AccountsError):
    code = "email_taken"


class UnderAge(AccountsError):
    code = "under_age"


class InvalidCredentials(AccountsError):
    """Wrong email or password; which of the two is not said."""

    code = "invalid_credentials"


class NotAuthenticated(AccountsError):
    """No proof of identity, or one that does not hold."""

    code = "not_authenticated"


class TokenExpired(NotAuthenticated):
    code = "token_expired"


class JoinTokenUsed(NotAuthenticated):
    code = "join_token_used"


class RefreshReused(NotAuthenticated):
    """A refresh token was presented twice: the whole session is ended, because one of the two holders stole it."""

    code = "refresh_reused"


class UserUnknown(AccountsError):
    code = "user_not_found"


class AccountFrozen(AccountsError):
    """An operator has frozen the account: it can do nothing, and nothing can be done with it."""

    code = "account_frozen"


class AccountsOverloaded(AccountsError):
    """Too many passwords wait to be hashed."""

    code = "overloaded"


class TooManyBlocks(AccountsError):
    code = "too_many_blocks"


class TooManyReports(AccountsError):
    code = "too_many_reports"


class DealingBlocked(AccountsError):
    """One of the two has blocked the other; which of them is not told."""

    code = "blocked"
