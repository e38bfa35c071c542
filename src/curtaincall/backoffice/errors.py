"""Refusals of the back office."""

from curtaincall.kernel.errors import CurtaincallError


class BackofficeError(CurtaincallError):
    """Base of this domain's refusals."""

    code = "backoffice_error"


class AdjustmentInvalid(BackofficeError):
    """An adjustment of nothing, of too much, or in another currency."""

    code = "adjustment_invalid"


class ReasonMissing(BackofficeError):
    """An act without a reason."""

    code = "reason_missing"


class NotFrozen(BackofficeError):
    """The account that was to be unfrozen is not frozen."""

    code = "not_frozen"
