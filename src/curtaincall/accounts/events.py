"""What accounts tell the layers above, on the kernel's bus."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccountSuspended:
    """An account was frozen: whatever it is doing ends now. Published before the freeze is recorded."""

    user_id: str
