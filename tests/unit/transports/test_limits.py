"""Rate limits: so many, then a refusal that says when to come back."""

import pytest

from curtaincall.settings import LimitsSettings
from curtaincall.transports.errors import RateLimited
from curtaincall.transports.limits import RateLimits


def test_ten_joins_a_minute_for_each_user() -> None:
    limits = RateLimits(LimitsSettings())
    for _ in range(10):
        limits.join_by("ann")
    with pytest.raises(RateLimited) as refusal:
        limits.join_by("ann")
    assert 0 < refusal.value.retry_after_ms <= 60_000
    limits.join_by("bob")


def test_ten_sign_ins_a_minute_for_each_account() -> None:
    limits = RateLimits(LimitsSettings())
    for _ in range(10):
        limits.login("ann@example.org")
    with pytest.raises(RateLimited):
        limits.login("ann@example.org")


def test_the_demo_relaxes_what_was_not_set() -> None:
    relaxed = LimitsSettings(login_per_account="1/minute").relaxed()
    assert (relaxed.login_per_account, relaxed.join_per_user) == ("1/minute", "100000/minute")
