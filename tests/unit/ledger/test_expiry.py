"""Holds that expire: no post after their time, and what they reserved comes back by itself."""

import pytest
from sqlalchemy import Connection

from curtaincall.ledger import model
from curtaincall.ledger import service as service_module
from curtaincall.ledger.errors import HoldAlreadyVoided, HoldExpired, TransferInvalid
from curtaincall.ledger.expiry import LOOK_BACK_MS, HoldExpiry
from curtaincall.ledger.model import (
    Balance,
    Hold,
    Leg,
    Post,
    Purpose,
    Share,
    Sweep,
    Transfer,
    Void,
    creator_pending,
    gateway_clearing,
    wallet,
)
from curtaincall.ledger.service import Ledger
from curtaincall.storage.executor import WriteExecutor
from support.virtual_clock import VirtualClock

FAN = wallet("fan", "EUR")
STAR = creator_pending("star", "EUR")
PAY_IN = Transfer("t", Purpose.TOP_UP, "t", (Leg(gateway_clearing("sandbox", "EUR"), FAN, 5_000),))


def hold(key: str, expires_after_ms: int | None, amount_minor: int = 100) -> Hold:
    return Hold(key, Purpose.CALL, "call", FAN, STAR, amount_minor, expires_after_ms)


def post(hold_key: str) -> Post:
    return Post(f"post:{hold_key}", hold_key, (Share(STAR, 60),))


@pytest.fixture(autouse=True)
def _money(ledger: Ledger, request: pytest.FixtureRequest) -> None:
    if "tx" in request.fixturenames:
        ledger.transfer(request.getfixturevalue("tx"), PAY_IN)


def test_a_hold_may_be_posted_until_its_time_is_over(ledger: Ledger, tx: Connection, clock: VirtualClock) -> None:
    ledger.hold(tx, hold("in-time", 1_000))
    ledger.hold(tx, hold("late", 1_000))
    clock.advance_us(999_000)
    assert ledger.post(tx, post("in-time"))
    clock.advance_us(1_000)
    with pytest.raises(HoldExpired):
        ledger.post(tx, post("late"))
    assert ledger.balance(tx, FAN) == Balance(4_940, 100)
    assert ledger.expire(tx, Sweep(0)).hold_keys == ("late",)


def test_a_sweep_returns_what_is_past_and_nothing_else(ledger: Ledger, tx: Connection, clock: VirtualClock) -> None:
    ledger.hold(tx, hold("first", 1_000))
    ledger.hold(tx, hold("second", 500))
    ledger.hold(tx, hold("later", 60_000))
    ledger.hold(tx, hold("for-ever", None))
    ledger.hold(tx, hold("voided", 500))
    ledger.void(tx, Void("v", "voided"))
    clock.advance_us(1_000_000)
    assert ledger.expire(tx, Sweep(0)) == model.Swept(("second", "first"), more=False)
    assert ledger.balance(tx, FAN) == Balance(5_000, 200)
    assert ledger.expire(tx, Sweep(0)).hold_keys == ()
    assert ledger.open_holds(tx, "call") == ["later", "for-ever"]
    for expired in ("first", "second"):
        with pytest.raises(HoldExpired):
            ledger.post(tx, post(expired))
        with pytest.raises(HoldExpired):
            ledger.void(tx, Void(f"late:{expired}", expired))
    with pytest.raises(HoldAlreadyVoided):
        ledger.post(tx, post("voided"))
    ledger.void(tx, Void("v2", "later"))
    ledger.void(tx, Void("v3", "for-ever"))


def test_a_hold_that_is_past_may_still_be_voided_by_its_owner(
    ledger: Ledger, tx: Connection, clock: VirtualClock
) -> None:
    ledger.hold(tx, hold("h", 1_000))
    clock.advance_us(5_000_000)
    assert ledger.void(tx, Void("v", "h"))
    assert ledger.expire(tx, Sweep(0)).hold_keys == ()


def test_a_repeated_hold_keeps_its_first_time(ledger: Ledger, tx: Connection, clock: VirtualClock) -> None:
    ledger.hold(tx, hold("h", 1_000))
    clock.advance_us(900_000)
    assert ledger.hold(tx, hold("h", 1_000)) is False
    clock.advance_us(100_000)
    assert ledger.expire(tx, Sweep(0)).hold_keys == ("h",)
    assert ledger.hold(tx, hold("h", 1_000)) is False


@pytest.mark.parametrize("expires_after_ms", [0, -1])
def test_a_hold_that_is_past_from_the_start_is_refused(ledger: Ledger, tx: Connection, expires_after_ms: int) -> None:
    with pytest.raises(TransferInvalid):
        ledger.hold(tx, hold("h", expires_after_ms))


def test_a_sweep_is_bounded_and_says_that_there_is_more(
    ledger: Ledger, tx: Connection, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "SWEEP_LIMIT", 2)
    for number in range(3):
        ledger.hold(tx, hold(f"h{number}", 1_000))
    clock.advance_us(1_000_000)
    assert ledger.expire(tx, Sweep(0)) == model.Swept(("h0", "h1"), more=True)
    assert ledger.expire(tx, Sweep(0)) == model.Swept(("h2",), more=False)


async def test_the_server_sweeps_all_there_is_and_later_only_what_is_new(
    executor: WriteExecutor, ledger: Ledger, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "SWEEP_LIMIT", 2)
    await executor.submit(ledger.transfer, PAY_IN)
    expiry = HoldExpiry(executor, ledger, clock)
    for number in range(5):
        await executor.submit(ledger.hold, hold(f"h{number}", 1_000 + number))
    clock.advance_us(2_000_000)
    assert await expiry.sweep() == ("h0", "h1", "h2", "h3", "h4")
    clock.advance_us(LOOK_BACK_MS * 2_000)
    assert await expiry.sweep() == ()
    await executor.submit(ledger.hold, hold("new", 1_000))
    clock.advance_us(1_000_000)
    assert await expiry.sweep() == ("new",)
    assert await executor.read(lambda tx: ledger.balance(tx, FAN)) == Balance(5_000, 0)
