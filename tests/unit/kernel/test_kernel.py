"""The kernel: ids that sort by time, money that never leaves its bounds, time as the wire writes it, the bus."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curtaincall.kernel.clock import SystemClock, rfc3339
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import is_caller_chosen, uuid7
from curtaincall.kernel.money import MAX_AMOUNT_MINOR, CurrencyMismatch, Money, MoneyError


@given(st.integers(0, 2**48 - 2), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_later_ids_sort_after_earlier_ones(now_ms: int, first: bytes, second: bytes) -> None:
    assert uuid7(now_ms, first) < uuid7(now_ms + 1, second)


def test_an_id_has_the_form_of_rfc_9562() -> None:
    assert uuid7(0x0123456789AB, b"\xff" * 10) == "01234567-89ab-7fff-bfff-ffffffffffff"
    assert uuid7(0, b"\x00" * 10) == "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("value", ["battle-room-123", "user_456", "A", "x" * 64])
def test_callers_may_choose_plain_ids(value: str) -> None:
    assert is_caller_chosen(value)


@pytest.mark.parametrize("value", ["", "x" * 65, "a b", "../etc", "é", "room\n", "a/b"])
def test_callers_may_not_choose_ids_that_mean_something_elsewhere(value: str) -> None:
    assert not is_caller_chosen(value)


def test_amounts_of_one_currency_add_and_subtract() -> None:
    assert Money(300, "EUR") + Money(20, "EUR") == Money(320, "EUR")
    assert Money(300, "EUR") - Money(320, "EUR") == Money(-20, "EUR")


def test_amounts_of_different_currencies_do_not_mix() -> None:
    with pytest.raises(CurrencyMismatch):
        Money(1, "EUR") + Money(1, "USD")


@pytest.mark.parametrize("amount", [MAX_AMOUNT_MINOR + 1, -MAX_AMOUNT_MINOR - 1, True, 1.0, "1"])
def test_an_amount_is_a_bounded_integer(amount: object) -> None:
    with pytest.raises(MoneyError):
        Money(amount, "EUR")  # type: ignore[arg-type]  # the point of the test


def test_times_are_written_as_rfc_3339_with_milliseconds() -> None:
    assert rfc3339(1_795_500_000_007) == "2026-11-24T06:00:00.007Z"


def test_the_monotonic_clock_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic_us() for _ in range(100)]
    assert readings == sorted(readings)


class _News:
    pass


async def test_a_subscriber_that_fails_does_not_keep_the_others_from_hearing() -> None:
    bus = EventBus()
    heard: list[str] = []

    async def fails(_: _News) -> None:
        raise RuntimeError("broken")

    async def hears(_: _News) -> None:
        heard.append("news")

    bus.subscribe(_News, fails)
    bus.subscribe(_News, hears)
    assert await bus.publish(_News()) is False
    assert heard == ["news"]
