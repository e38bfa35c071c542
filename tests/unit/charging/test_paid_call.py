"""A paid call as its two people live it: held before granted, billed by the meter, cut when the money ends."""

import pytest

from curtaincall.charging.errors import NotSettled, PaymentRequired, RatesMissing, SessionOver
from curtaincall.charging.events import LowBalance, SessionChanged, SessionEnding, SessionSettled
from curtaincall.charging.model import EndReason, SessionState
from curtaincall.media.ports import Grant
from support.money_world import FAN, STAR, MoneyWorld


async def test_a_call_without_rates_cannot_be_requested(world: MoneyWorld) -> None:
    await world.pay_in(1_000)
    with pytest.raises(RatesMissing):
        await world.ring()


async def test_a_call_is_refused_when_the_minimum_is_not_covered(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(299)
    with pytest.raises(PaymentRequired):
        await world.ring()
    await world.pay_in(1)
    assert (await world.ring()).state is SessionState.REQUESTED


async def test_money_is_held_before_a_millisecond_is_granted(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.ring()
    assert (await world.wallet()).held_minor == 0
    assert (await world.charging.accept("call")).state is SessionState.CONNECTING
    wallet = await world.wallet()
    assert (wallet.balance_minor, wallet.held_minor, wallet.available_minor) == (1_000, 300, 700)
    assert not [command for command in world.media.commands if isinstance(command, Grant)]


async def test_media_is_granted_once_both_are_seated(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.ring()
    await world.charging.accept("call")
    await world.charging.joined("call", FAN)
    assert not world.media.leases["call"].open
    await world.charging.joined("call", STAR)
    grant = world.media.commands[-1]
    assert grant == Grant("room-call", "call", epoch=1, seq=1, granted_ms=60_000, lease_ms=5_000)
    await world.run(250)
    assert (await world.session()).state is SessionState.ACTIVE


async def test_ninety_seconds_are_charged_to_the_second(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(5_000)
    await world.call()
    await world.run(90_000)
    receipt = await world.end(EndReason.HOST_ENDED)
    assert (receipt.billable_ms, receipt.charged_minor) == (90_000, 450)
    assert (receipt.fee_minor, receipt.creator_minor) == (90, 360)
    assert receipt.ended_reason is EndReason.HOST_ENDED
    events = [entry.event for entry in receipt.timeline]
    assert events == [
        "REQUESTED",
        "HOLD_PLACED",
        "CONNECTING",
        "ACTIVE",
        "RENEWED",
        "RENEWED",
        "ENDING",
        "SETTLED",
    ]
    wallet = await world.wallet()
    assert (wallet.balance_minor, wallet.held_minor) == (4_550, 0)
    assert (await world.wallets.earnings(STAR)).pending_minor == 360
    statement = await world.wallets.transactions(FAN, None, 50)
    assert sum(item.amount_minor for item in statement.items) == wallet.balance_minor
    assert (await world.books()).ok


async def test_twenty_seconds_of_balance_end_after_twenty_seconds(world: MoneyWorld) -> None:
    await world.priced(300, minimum_ms=10_000)
    await world.pay_in(100)
    await world.call()
    await world.run(19_750)
    assert (await world.session()).state is SessionState.FINAL
    assert world.media.leases["call"].open
    await world.run(500)
    assert not world.media.leases["call"].open
    assert world.media.billable_ms("call") == 20_000
    receipt = await world.charging.receipt("call")
    assert (receipt.billable_ms, receipt.charged_minor) == (20_000, 100)
    assert (receipt.fee_minor, receipt.creator_minor) == (20, 80)
    assert receipt.ended_reason is EndReason.TIME_EXPIRED
    assert (await world.wallet()).balance_minor == 0
    warnings = [event.seconds_left for event in world.told(LowBalance) if isinstance(event, LowBalance)]
    assert warnings == [20, 10]


async def test_the_ending_is_told_before_the_settlement_and_both_once(world: MoneyWorld) -> None:
    await world.priced(300, minimum_ms=10_000)
    await world.pay_in(100)
    await world.call()
    await world.run(21_000)
    endings = [event for event in world.news if isinstance(event, SessionEnding | SessionSettled)]
    assert [type(event) for event in endings] == [SessionEnding, SessionSettled]
    settled = endings[1]
    assert isinstance(settled, SessionSettled)
    assert settled.receipt.charged_minor == 100
    assert settled.view.state is SessionState.SETTLED


async def test_a_top_up_in_the_final_unit_goes_on_without_a_gap(world: MoneyWorld) -> None:
    await world.priced(300, minimum_ms=10_000)
    await world.pay_in(100)
    await world.call()
    await world.run(15_000)
    assert (await world.session()).state is SessionState.FINAL
    await world.pay_in(500)
    await world.hear_media()
    view = await world.session()
    assert (view.state, view.granted_ms) == (SessionState.ACTIVE, 50_000)
    await world.run(30_000)
    assert world.media.billable_ms("call") == 45_000
    receipt = await world.end(EndReason.HOST_ENDED)
    assert receipt.charged_minor == 225
    assert (await world.books()).ok


async def test_the_payer_owes_the_minimum_and_the_others_ends_do_not(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(5_000)
    for number, (reason, charged_minor) in enumerate(
        [
            (EndReason.PAYER_ENDED, 300),
            (EndReason.HOST_ENDED, 150),
            (EndReason.ADMIN_TERMINATED, 150),
            (EndReason.PAYMENT_FAILED, 150),
        ]
    ):
        session_id = f"call-{number}"
        await world.call(session_id)
        await world.run(30_000)
        receipt = await world.end(reason, session_id)
        assert (receipt.billable_ms, receipt.charged_minor) == (30_000, charged_minor), reason


async def test_the_fourth_short_call_of_a_day_is_not_void(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(5_000)
    charges = []
    for number in range(4):
        session_id = f"call-{number}"
        await world.call(session_id)
        await world.run(9_000)
        charges.append((await world.end(EndReason.PAYER_ENDED, session_id)).charged_minor)
    assert charges == [0, 0, 0, 300]
    assert (await world.books()).ok


async def test_short_calls_that_end_at_the_same_time_are_not_void_more_often(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(5_000)
    names = [f"call-{number}" for number in range(6)]
    for name in names:
        await world.call(name)
    await world.run(9_000)
    for name in names:
        world.charging.revoke(name, EndReason.PAYER_ENDED)
    await world.hear_media()
    charges = [(await world.charging.receipt(name)).charged_minor for name in names]
    assert sorted(charges) == [0, 0, 0, 300, 300, 300]


async def test_a_wallet_emptied_meanwhile_rejects_at_acceptance(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(400)
    await world.ring("first")
    await world.ring("second")
    await world.charging.accept("first")
    with pytest.raises(PaymentRequired):
        await world.charging.accept("second")
    assert (await world.session("second")).state is SessionState.REJECTED
    with pytest.raises(PaymentRequired):
        await world.charging.accept("second")


async def test_repeating_a_use_case_changes_nothing(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.ring()
    await world.ring()
    await world.charging.accept("call")
    await world.charging.accept("call")
    assert (await world.wallet()).held_minor == 300
    await world.charging.joined("call", FAN)
    await world.charging.joined("call", STAR)
    await world.run(20_000)
    first = await world.end(EndReason.HOST_ENDED)
    again = await world.end(EndReason.PAYMENT_FAILED)
    assert first == again
    assert (await world.books()).open_holds == 0
    with pytest.raises(SessionOver):
        await world.charging.accept("call")


async def test_there_is_no_receipt_before_the_settlement(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.call()
    await world.run(1_000)
    with pytest.raises(NotSettled):
        await world.charging.receipt("call")


async def test_calls_are_listed_for_both_sides_newest_first(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    for number in range(3):
        await world.ring(f"call-{number}")
        await world.charging.cancel(f"call-{number}")
    await world.ring("call-3")
    first = await world.charging.sessions(STAR, None, None, 3)
    assert [view.session_id for view in first.items] == ["call-3", "call-2", "call-1"]
    rest = await world.charging.sessions(STAR, None, first.next_cursor, 3)
    assert ([view.session_id for view in rest.items], rest.next_cursor) == (["call-0"], None)
    ringing = await world.charging.sessions(FAN, SessionState.REQUESTED, None, 3)
    assert [view.session_id for view in ringing.items] == ["call-3"]


async def test_paid_until_is_known_only_while_time_runs(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.call()
    await world.run(5_000)
    view = await world.session()
    assert view.paid_until_ms == world.clock.now_ms() + 55_000
    world.news.clear()
    world.media.sending = False  # the creator mutes everything
    await world.run(10_000)
    assert (await world.session()).paid_until_ms is None
    assert world.told(SessionChanged)
    world.media.sending = True
    await world.run(1_000)
    view = await world.session()
    assert (view.used_ms, view.paid_until_ms) == (6_000, world.clock.now_ms() + 54_000)
