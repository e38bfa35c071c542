"""What purchases tell the layers above, on the kernel's bus, after the commit."""

from dataclasses import dataclass

from curtaincall.purchases.model import Tip


@dataclass(frozen=True, slots=True)
class Tipped:
    """A tip was given."""

    tip: Tip


@dataclass(frozen=True, slots=True)
class TipReversed:
    """A tip was refunded or disputed: it counts no more."""

    tip: Tip
