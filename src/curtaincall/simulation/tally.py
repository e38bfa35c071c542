"""What happened, counted: beside the books, which know only of money."""

from collections import Counter


class Tally:
    """Counts by name."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.declines: Counter[str] = Counter()
        """Card payments that were declined, by the gateway's code."""
        self.refusals: Counter[str] = Counter()
        """What the house refused, by its code."""

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def decline(self, code: str) -> None:
        self.declines[code] += 1

    def refusal(self, code: str) -> None:
        self.refusals[code] += 1
