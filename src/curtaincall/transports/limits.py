"""Rate limits of the public endpoints, counted in memory by `limits`."""

import time
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from curtaincall.settings import LimitsSettings
from curtaincall.transports.errors import RateLimited

MAX_KEY_CHARS: Final = 128
"""Keys come from outside (an email address, a userId); longer ones share a counter."""


class RateLimits:
    """One method for each thing that is limited; each raises RateLimited when it happens too often."""

    def __init__(self, settings: LimitsSettings) -> None:
        self._strategy = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._join_per_user = parse(settings.join_per_user)
        self._join_per_address = parse(settings.join_per_address)
        self._login_per_account = parse(settings.login_per_account)
        self._register_per_address = parse(settings.register_per_address)
        self._messages = parse(settings.messages_per_connection)
        self._offers = parse(settings.offers_per_connection)

    def join_from(self, address: str) -> None:
        self._hit(self._join_per_address, "join-address", address)

    def join_by(self, user_id: str) -> None:
        self._hit(self._join_per_user, "join-user", user_id)

    def login(self, account: str) -> None:
        self._hit(self._login_per_account, "login", account)

    def register_from(self, address: str) -> None:
        self._hit(self._register_per_address, "register", address)

    def message_on(self, connection_id: str) -> None:
        self._hit(self._messages, "message", connection_id)

    def offer_on(self, connection_id: str) -> None:
        self._hit(self._offers, "offer", connection_id)

    def _hit(self, limit: RateLimitItem, what: str, key: str) -> None:
        key = key[:MAX_KEY_CHARS]
        if self._strategy.hit(limit, what, key):
            return
        reset_s = self._strategy.get_window_stats(limit, what, key).reset_time
        retry_after_ms = max(1, int((reset_s - time.time()) * 1000))
        raise RateLimited("Too many attempts. Try again later.", retry_after_ms)
