"""An SFU of which only the arithmetic is imagined: for the state machine alone, without any clock or database."""

from curtaincall.charging.model import Event, LeaseClosed, MediaReached, Metered, PaidSession, QuotaSpent


class ImaginedSfu:
    """One lease: what it was granted, and what it has delivered."""

    def __init__(self) -> None:
        self.epoch = self.revoked_epoch = self.granted_ms = self.delivered_ms = self.left_ms = 0
        self.open = self.closed = False
        self.told_epoch = 0
        self.events: list[Event] = []

    def grant(self, session: PaidSession) -> None:
        if self.closed or session.epoch <= self.revoked_epoch:
            return
        self.epoch, self.granted_ms = session.epoch, max(self.granted_ms, session.books.granted_ms)
        self.left_ms, self.open = session.settings.lease_ms, True

    def revoke(self) -> None:
        self.revoked_epoch, self.open = self.epoch, False

    def close(self) -> None:
        if not self.closed:
            self.open, self.closed = False, True
            self.events.append(LeaseClosed(self.delivered_ms))

    def elapse(self, duration_ms: int, flows: bool) -> None:
        if not self.open:
            return
        lived_ms = min(duration_ms, self.left_ms)
        self.left_ms -= lived_ms
        if flows:
            if self.told_epoch != self.epoch:
                self.told_epoch = self.epoch
                self.events.append(MediaReached(self.epoch))
            self.delivered_ms += min(lived_ms, self.granted_ms - self.delivered_ms)
        self.events.append(Metered(self.delivered_ms, flows))
        if self.delivered_ms == self.granted_ms:
            self.open = False
            self.events.append(QuotaSpent(self.delivered_ms))
        elif self.left_ms == 0:
            self.open = False
