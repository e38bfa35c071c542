"""What access tells the layers above, on the kernel's bus. Published after the commit by whoever made the change."""

from dataclasses import dataclass

from curtaincall.access.model import Feature


@dataclass(frozen=True, slots=True)
class EntitlementGranted:
    """A user may have something from now on, or for longer than before."""

    user_id: str
    feature: Feature
    scope_id: str
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class EntitlementRevoked:
    """A user may not have something any more, from now on."""

    user_id: str
    feature: Feature
    scope_id: str
