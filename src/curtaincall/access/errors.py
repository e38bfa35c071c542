"""What access refuses, each with its stable code."""

from curtaincall.kernel.errors import CurtaincallError


class AccessError(CurtaincallError):
    """Base of what access refuses."""

    code = "access_error"


class EntitlementUnknown(AccessError):
    """There is no such entitlement."""

    code = "entitlement_unknown"


class EntitlementConflict(AccessError):
    """The purchase with this key granted something else, or somebody else."""

    code = "entitlement_conflict"


class EntitlementOver(AccessError):
    """The entitlement was revoked, or used up by something else."""

    code = "entitlement_over"
