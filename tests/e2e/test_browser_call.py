"""A paid private call between two real browsers: from sign-in to the receipt, and each way in which it may be cut."""

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Locator, expect

from support.browser import Ending, Network, Visitor
from support.people import Json, Person
from support.server import Server

pytestmark = pytest.mark.browser

PRICE_PER_MINUTE_MINOR = 12_000
"""So dear that 40.00 last 20 seconds: the balance of a test should run out soon."""

RATES = {"price_per_minute_minor": PRICE_PER_MINUTE_MINOR, "minimumMs": 10_000, "incrementMs": 1_000}
BALANCE_MINOR = 4_000
ONE_TAP_MINOR = 2_000

BLACK = "rgb(0, 0, 0)"
REDIRECT_MS = 1_000
REDIRECT_TOLERANCE_MS = 900
"""A loaded machine may be late; no machine may be early."""

NOTICED_MS = 3_500
"""How much of a lost network may still be metered: ICE consent is lost after 2 s, and a gap counts up to 500 ms."""


@dataclass
class Call:
    """A call in progress: two people, each at a browser, who see each other."""

    server: Server
    fan: Person
    creator: Person
    at_fan: Visitor
    at_creator: Visitor
    call_id: str

    async def receipt(self) -> Json:
        """The receipt, which the fan's page shows as soon as the call is settled."""
        last_call = self.at_fan.page.get_by_role("region", name="Your last call")
        await expect(last_call).to_contain_text("Call with")
        return await self.server.people.receipt(self.fan, self.call_id)

    async def assert_books_are_right(self, receipt: Json, paid_in_minor: int) -> None:
        """Settled, nothing held, the wallet short of what the receipt says, and at no moment below zero."""
        call = await self.server.people.call(self.fan, self.call_id)
        assert call["state"] == "SETTLED"
        wallet = await self.server.people.wallet(self.fan)
        assert wallet["heldMinor"] == 0
        assert wallet["availableMinor"] == paid_in_minor - receipt["chargedMinor"] >= 0
        assert min(wallet_history(self.server, self.fan)) >= 0
        assert receipt["feeMinor"] + receipt["creatorMinor"] == receipt["chargedMinor"]
        earned = await self.server.people.get("/api/creator/earnings", self.creator)
        assert earned["pendingMinor"] == receipt["creatorMinor"]
        code, report = await self.server.command("ledger", "verify")
        assert code == 0, report


def wallet_history(server: Server, person: Person) -> Iterator[int]:
    """What was available in a wallet after each of its transfers, added up from the rows of the ledger."""
    rows = server.query(
        """SELECT t.kind, t.amount_minor, t.debit_account_id = a.account_id
        FROM ledger_transfers t JOIN ledger_accounts a ON a.account_id IN (t.debit_account_id, t.credit_account_id)
        WHERE a.owner_id = ? AND a.kind = 'wallet' ORDER BY t.seq""",
        person.user_id,
    )
    assert rows, "the wallet has no transfers"
    # A hold takes at once; its resolution (posts, and a void for the rest) takes nothing more and may give back.
    effect = {("single", 0): 1, ("single", 1): -1, ("pending", 1): -1, ("post", 1): 0, ("void", 1): 1}
    available = 0
    for kind, amount_minor, is_debit in rows:
        available += effect[str(kind), int(str(is_debit))] * int(str(amount_minor))
        yield available


async def begin_call(server: Server, at_fan: Visitor, at_creator: Visitor, balance_minor: int) -> Call:
    """Sign both in, ring, accept, and wait until each sees and hears the other."""
    creator = await server.people.creator(**RATES)
    fan = await server.people.fan(balance_minor=balance_minor)
    await at_creator.sign_in(creator)
    await expect(at_creator.page.get_by_text("You are online")).to_be_visible()
    await at_fan.sign_in(fan)
    await model_card(at_fan).get_by_role("button", name="Call").click()
    await expect(at_fan.page.get_by_text("Ringing")).to_be_visible()
    await at_creator.page.get_by_role("dialog", name="Incoming call").get_by_role("button", name="Accept").click()
    await at_fan.page.locator("#remote-video").wait_for(state="attached")
    call_id = at_fan.page.url.rsplit("/", 1)[-1]
    return Call(server, fan, creator, at_fan, at_creator, call_id)


def model_card(visitor: Visitor) -> Locator:
    """The card of the one creator who is online."""
    return visitor.page.get_by_role("article").filter(has_text="Online")


async def assert_live_both_ways(call: Call) -> None:
    for visitor in (call.at_fan, call.at_creator):
        pictures = await visitor.sees(frames=20)
        assert pictures.decoded >= 20
        assert pictures.different >= 10, "the picture stands still"
        assert (pictures.width, pictures.height) >= (320, 180)
        assert await visitor.hears() > 0


def assert_ended_as_specified(ending: Ending, reason: str) -> None:
    """Spec, Payment Enforcement Flow, steps 5 to 8."""
    assert ending.picture == "none"
    assert ending.colours == [BLACK, BLACK]
    assert ending.muted
    assert ending.text == f"Your private call has ended. Reason: {reason}"
    assert ending.own_tracks == ["ended", "ended"], "the camera is still in use"
    assert ending.redirected_to == "/models"
    assert REDIRECT_MS - 10 <= ending.after_ms <= REDIRECT_MS + REDIRECT_TOLERANCE_MS


async def screen_is_black(visitor: Visitor) -> bool:
    """Whether the upper third of what is on the screen, taken while the end is told, is nothing but black."""
    size = visitor.page.viewport_size
    assert size is not None
    upper = {"x": 0, "y": 0, "width": size["width"], "height": size["height"] // 3}
    picture = await visitor.page.screenshot(clip=upper, animations="disabled")  # type: ignore[arg-type]
    decode = ["ffmpeg", "-v", "error", "-i", "-", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    process = await asyncio.create_subprocess_exec(
        *decode, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    pixels, _ = await process.communicate(picture)
    return len(pixels) > 0 and max(pixels) == 0


async def test_a_call_is_paid_topped_up_and_ends_when_the_balance_does(
    server: Server, at_fan: Visitor, at_creator: Visitor
) -> None:
    call = await begin_call(server, at_fan, at_creator, BALANCE_MINOR)
    await assert_live_both_ways(call)
    endings = [visitor.witness_ending(timeout_s=60) for visitor in (at_fan, at_creator)]

    # There is less than a minute left from the beginning, so the fan is warned, and helps with one tap.
    warning = at_fan.page.get_by_role("region", name="Low balance")
    await expect(warning).to_be_visible()
    await warning.get_by_role("button", name="Add €20.00").click()
    await expect(at_fan.page.get_by_text("€20.00 added. The call goes on.")).to_be_visible()

    await at_fan.page.get_by_role("alert").filter(has_text="Your private call has ended").wait_for(timeout=40_000)
    assert await screen_is_black(at_fan)
    for ending in await asyncio.gather(*endings):
        assert_ended_as_specified(ending, "TIME EXPIRED")

    receipt = await call.receipt()
    paid_in_minor = BALANCE_MINOR + ONE_TAP_MINOR
    assert receipt["endedReason"] == "TIME_EXPIRED"
    assert paid_in_minor - PRICE_PER_MINUTE_MINOR // 60 < receipt["chargedMinor"] <= paid_in_minor
    assert receipt["billableMs"] * PRICE_PER_MINUTE_MINOR <= paid_in_minor * 60_000
    await call.assert_books_are_right(receipt, paid_in_minor)
    await expect(at_creator.page.get_by_role("region", name="Your last call")).to_contain_text("earned")


async def test_a_failed_payment_cuts_the_call_at_once(server: Server, at_fan: Visitor, at_creator: Visitor) -> None:
    call = await begin_call(server, at_fan, at_creator, 50_000)
    await assert_live_both_ways(call)
    endings = [visitor.witness_ending(timeout_s=60) for visitor in (at_fan, at_creator)]

    room_id = (await server.people.call(call.fan, call.call_id))["roomId"]
    began = time.monotonic()
    assert await server.people.terminate(room_id, call.fan.user_id, "PAYMENT_FAILED") == {"success": True}
    ended = await asyncio.gather(*endings)
    assert time.monotonic() - began < 5
    for ending in ended:
        assert_ended_as_specified(ending, "PAYMENT FAILED")

    receipt = await call.receipt()
    assert receipt["endedReason"] == "PAYMENT_FAILED"
    await call.assert_books_are_right(receipt, 50_000)
    # Neither the page nor the address leads back into the call.
    await at_fan.page.goto(f"{server.url}/call/{call.call_id}")
    await expect(at_fan.page.get_by_role("heading", name="This call has ended.")).to_be_visible()


async def test_a_lost_network_comes_back_within_the_grace_and_is_not_billed(
    server: Server, at_fan: Visitor, at_creator: Visitor
) -> None:
    network = await Network.of(at_fan.page)
    call = await begin_call(server, at_fan, at_creator, 50_000)
    began = time.monotonic()
    await assert_live_both_ways(call)

    await network.cut()
    cut_at = time.monotonic()
    waiting = at_creator.page.get_by_text(re.compile("Waiting for .* to come back"))
    gone = at_fan.page.get_by_text("Your connection is gone")
    await expect(waiting).to_be_visible()
    await expect(gone).to_be_visible()
    # Both are quick to notice: the gap has to be long enough to tell whether it was billed.
    long_enough = "(ms) => { window.cutAt ??= performance.now(); return performance.now() - window.cutAt > ms; }"
    await at_fan.page.wait_for_function(long_enough, arg=NOTICED_MS)
    await network.mend()
    await expect(gone).to_be_hidden()
    await expect(waiting).to_be_hidden()
    back = await at_fan.sees(frames=1)
    gap_ms = (time.monotonic() - cut_at) * 1000
    assert back.width > 0
    await assert_live_both_ways(call)

    at_creators_ending = at_creator.witness_ending(timeout_s=30)
    await at_fan.page.get_by_role("button", name="End call").click()
    all_ms = (time.monotonic() - began) * 1000
    assert (await at_creators_ending).text == "Your private call has ended. Reason: PAYER ENDED"

    receipt = await call.receipt()
    assert gap_ms > NOTICED_MS + 1_000, "too short a gap to tell whether it was billed"
    assert receipt["billableMs"] <= all_ms - gap_ms + NOTICED_MS
    events = [entry["event"] for entry in receipt["timeline"]]
    assert any("PAUSED" in event.upper() for event in events), events
    await call.assert_books_are_right(receipt, 50_000)


async def test_a_page_loaded_again_comes_back_into_its_call(
    server: Server, at_fan: Visitor, at_creator: Visitor
) -> None:
    call = await begin_call(server, at_fan, at_creator, 50_000)
    await assert_live_both_ways(call)
    await at_fan.page.reload()
    await assert_live_both_ways(call)
    assert (await server.people.call(call.fan, call.call_id))["state"] == "ACTIVE"


BLOCKED = """
navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('blocked', 'NotAllowedError'));
"""


async def test_a_blocked_camera_is_explained_and_the_call_goes_on_without(
    server: Server, at_fan: Visitor, at_creator: Visitor
) -> None:
    await at_fan.page.add_init_script(BLOCKED)
    await begin_call(server, at_fan, at_creator, 50_000)
    trouble = at_fan.page.get_by_role("alert").filter(has_text="Your camera or microphone is blocked")
    await expect(trouble).to_contain_text("allow camera and microphone")
    await trouble.get_by_role("button", name="Go on without").click()
    await expect(trouble).to_be_hidden()
    assert (await at_fan.sees()).different >= 10
    assert await at_fan.hears() > 0
