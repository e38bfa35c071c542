"""The pages of the money: history and receipts, cards and top-ups, subscriptions, earnings and payouts, battles."""

import asyncio
import csv
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Locator, Playwright, expect

from support.browser import Visitor, browser_at
from support.inspection import inspect
from support.people import Json, Person
from support.server import Server

pytestmark = pytest.mark.browser

PRICE_PER_MINUTE_MINOR = 6_000
RATES = {"price_per_minute_minor": PRICE_PER_MINUTE_MINOR, "minimumMs": 10_000, "incrementMs": 1_000}
TICKET_MINOR = 500
TIP_MINOR = 1_000


@pytest.fixture
async def at_rival(playwright: Playwright, server: Server) -> AsyncIterator[Visitor]:
    """The browser of a second creator."""
    async with browser_at(playwright, server.url) as visitor:
        yield visitor
        assert visitor.complaints == []


def money(amount_minor: int) -> str:
    return f"€{amount_minor / 100:,.2f}"


async def saved_csv(visitor: Visitor, opener: Locator) -> list[dict[str, str]]:
    """What the sheet behind a CSV button saves, with the days that it offers."""
    await opener.click()
    async with visitor.page.expect_download() as download:
        await visitor.page.get_by_role("dialog").get_by_role("button", name="Download").click()
    saved = await (await download.value).path()
    return list(csv.DictReader((await asyncio.to_thread(saved.read_text)).splitlines()))


async def call_of_a_quarter_minute(server: Server, at_fan: Visitor, at_creator: Visitor) -> tuple[Person, Person, Json]:
    """A call that the fan ends when it has cost more than the minimum: fan, creator, receipt."""
    creator, fan = await server.people.creator(**RATES), await server.people.fan(balance_minor=5_000)
    await at_creator.sign_in(creator)
    await expect(at_creator.page.get_by_text("You are online")).to_be_visible()
    await at_fan.sign_in(fan)
    await at_fan.page.get_by_role("article").filter(has_text="Online").get_by_role("button", name="Call").click()
    await expect(at_fan.page.get_by_text("Ringing")).to_be_visible()
    await at_creator.page.get_by_role("dialog", name="Incoming call").get_by_role("button", name="Accept").click()
    await at_fan.sees(frames=10)
    call_id = at_fan.page.url.rsplit("/", 1)[-1]
    await expect(at_fan.page.locator(".meter")).to_contain_text(re.compile(r"0:1[1-9]"))
    await at_fan.page.get_by_role("button", name="End call").click()
    await expect(at_fan.page.get_by_role("region", name="Your last call")).to_contain_text("paid")
    return fan, creator, await server.people.receipt(fan, call_id)


async def test_the_history_shows_a_call_with_its_receipt(server: Server, at_fan: Visitor, at_creator: Visitor) -> None:
    _, _, receipt = await call_of_a_quarter_minute(server, at_fan, at_creator)
    page = at_fan.page
    await page.get_by_role("link", name="Wallet", exact=True).first.click()
    await expect(page.get_by_role("region", name="Balance")).to_contain_text(money(5_000 - receipt["chargedMinor"]))
    movements = page.get_by_role("region", name="Movements")
    await expect(movements).to_contain_text("+€50.00")
    call = movements.get_by_role("button", name=re.compile("Call with .*receipt")).first
    await call.click()
    await expect(call).to_have_attribute("aria-expanded", "true")
    shown = movements.locator(".receipt")
    await expect(shown).to_contain_text(re.compile(r"Charged\s*" + re.escape(money(receipt["chargedMinor"]))))
    await expect(shown).to_contain_text("You hung up.")
    moments = shown.get_by_role("list", name="What happened when")
    for moment in ("Rang", "Picture and sound began", "Settled"):
        await expect(moments).to_contain_text(moment)
    rows = await saved_csv(at_fan, movements.get_by_role("button", name="CSV"))
    assert len(rows) >= 2, "the top-up and the call"


async def test_a_top_up_is_confirmed_at_the_bank(server: Server, at_fan: Visitor) -> None:
    page = at_fan.page
    await at_fan.sign_in(await server.people.fan())
    await page.goto(f"{server.url}/wallet")
    await page.get_by_label("Test card").select_option(label="Card that wants a confirmation")
    await page.get_by_role("button", name="Save card").click()
    await page.get_by_role("button", name="Add €20.00").click()
    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="Confirm with your bank").click()
    bank = await opened.value
    await bank.get_by_role("button", name="Confirm").click()
    await bank.wait_for_url("**/wallet")
    await bank.close()
    await expect(page.get_by_text("€20.00 added to your wallet.")).to_be_visible()
    await expect(page.get_by_role("region", name="Balance")).to_contain_text("€20.00")

    # The next one is refused there: nothing is taken, and the page says so.
    await page.get_by_role("button", name="Add €20.00").click()
    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="Confirm with your bank").click()
    await (await opened.value).get_by_role("button", name="Refuse").click()
    await expect(page.get_by_role("alert")).to_contain_text("not confirmed")
    await expect(page.get_by_role("region", name="Balance")).to_contain_text("€20.00")


async def test_cards_are_added_and_removed_and_refill_the_wallet(server: Server, at_fan: Visitor) -> None:
    page = at_fan.page
    fan = await server.people.fan()
    await at_fan.sign_in(fan)
    await page.goto(f"{server.url}/wallet/cards")
    await page.get_by_role("button", name="Add a card").click()
    await page.get_by_role("button", name="Save card").click()
    card = page.get_by_role("listitem").filter(has_text="4242")
    await expect(card).to_be_visible()

    await page.get_by_role("switch", name="Automatic top-up").click()
    await page.get_by_label("Each time").select_option(label="€50.00")
    await page.get_by_label("At most, a day").select_option(label="2 times")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Your wallet refills by itself.")).to_be_visible()
    rules = await server.people.get("/api/wallet/auto-recharge", fan)
    assert (rules["enabled"], rules["amountMinor"], rules["maxPerDay"]) == (True, 5_000, 2)

    await card.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog", name="Remove this card?").get_by_role("button", name="Remove card").click()
    await expect(page.get_by_text("No card saved yet.")).to_be_visible()
    assert (await server.people.get("/api/wallet/payment-methods", fan))["items"] == []


async def test_a_subscription_is_taken_out_and_cancelled(server: Server, at_fan: Visitor) -> None:
    page = at_fan.page
    creator = await server.people.creator(subscriptionMonthlyMinor=1_500, subscriptionCalls="all")
    fan = await server.people.fan()
    await at_fan.sign_in(fan)
    await page.goto(f"{server.url}/models/{creator.user_id}")
    await expect(page.get_by_text("Every private call is included.")).to_be_visible()
    await page.get_by_role("button", name="Subscribe").click()
    sheet = page.get_by_role("dialog", name="Subscribe to")
    await sheet.get_by_role("button", name="Save card").click()
    await sheet.get_by_role("button", name="Subscribe for €15.00 a month").click()
    await expect(sheet).to_be_hidden()
    await expect(page.get_by_text("Subscribed", exact=True)).to_be_visible()
    await expect(page.get_by_role("region", name="Private call")).to_contain_text("Included in your subscription")

    await page.get_by_role("link", name="Manage your subscription").click()
    mine = page.get_by_role("article")
    await expect(mine).to_contain_text("€15.00 a month")
    await expect(mine).to_contain_text("Active, renews on")
    await mine.get_by_role("button", name="Cancel").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel subscription").click()
    await expect(mine).to_contain_text("Ends on")
    await expect(mine.get_by_role("button", name="Cancel")).to_be_hidden()
    kept = (await server.people.get("/api/subscriptions", fan))["items"]
    assert [item["cancelAtPeriodEnd"] for item in kept] == [True]

    # The cancellation is taken back, which costs nothing now.
    await mine.get_by_role("button", name="Go on").click()
    await page.get_by_role("dialog").get_by_role("button", name="Go on").click()
    await expect(mine).to_contain_text("Active, renews on")


async def test_a_subscriber_calls_without_paying(server: Server, at_fan: Visitor, at_creator: Visitor) -> None:
    creator = await server.people.creator(subscriptionMonthlyMinor=1_500, subscriptionCalls="all", **RATES)
    fan = await server.people.fan(balance_minor=1_000)
    await server.people.subscribe(fan, creator)
    await at_creator.sign_in(creator)
    await expect(at_creator.page.get_by_text("You are online")).to_be_visible()
    await at_fan.sign_in(fan)
    card = at_fan.page.get_by_role("article").filter(has_text="Online")
    await expect(card).to_contain_text("Subscribed")
    await card.get_by_role("button", name="Call").click()
    await expect(at_fan.page.get_by_text("Included in your subscription")).to_be_visible()
    await at_creator.page.get_by_role("dialog", name="Incoming call").get_by_role("button", name="Accept").click()
    await at_fan.sees(frames=10)
    await expect(at_fan.page.locator(".meter")).to_contain_text(re.compile(r"0:1[1-9].*Included"))
    await at_fan.page.get_by_role("button", name="End call").click()
    await expect(at_fan.page.get_by_role("region", name="Your last call")).to_contain_text("included")
    assert (await server.people.wallet(fan))["balanceMinor"] == 1_000


async def test_rates_with_everything_are_offered_to_fans(server: Server, at_creator: Visitor, at_fan: Visitor) -> None:
    page = at_creator.page
    creator = await server.people.creator()
    await at_creator.sign_in(creator)
    await page.get_by_label("Skipping the queue").fill("5")
    await page.get_by_label("Price of a month").fill("9.99")
    await page.get_by_label("Calls it includes").select_option(label="Some minutes every month")
    await page.get_by_label("Minutes a month").fill("0")
    await page.get_by_role("button", name="Save rate").click()
    await expect(page.get_by_role("alert")).to_have_text("Enter whole minutes, such as 60")
    await page.get_by_label("Minutes a month").fill("45")
    await page.get_by_label("HD pass").fill("2.50")
    await page.get_by_role("button", name="Save rate").click()
    await expect(page.get_by_text("Saved.")).to_be_visible()
    rates = (await server.people.get(f"/api/models/{creator.user_id}", creator))["rates"]
    assert rates["instantUnlockMinor"] == 500
    assert rates["premiumHdMinor"] == 250
    assert (rates["subscriptionMonthlyMinor"], rates["subscriptionCalls"], rates["subscriptionMinutes"]) == (
        999,
        "minutes",
        45,
    )
    await at_fan.sign_in(await server.people.fan())
    await at_fan.page.goto(f"{server.url}/models/{creator.user_id}")
    await expect(at_fan.page.get_by_text("45 minutes of private calls every month")).to_be_visible()
    await expect(at_fan.page.get_by_text("Skip the queue for €5.00 while it rings")).to_be_visible()


async def test_skipping_the_queue_begins_the_call_without_an_answer(
    server: Server, at_fan: Visitor, at_creator: Visitor
) -> None:
    creator = await server.people.creator(instantUnlockMinor=500, **RATES)
    fan = await server.people.fan(balance_minor=5_000)
    await at_creator.sign_in(creator)
    await expect(at_creator.page.get_by_text("You are online")).to_be_visible()
    await at_fan.sign_in(fan)
    await at_fan.page.get_by_role("article").filter(has_text="Online").get_by_role("button", name="Call").click()
    await at_fan.page.get_by_role("button", name="Skip the queue for €5.00").click()
    await at_fan.page.locator("#remote-video").wait_for(state="attached")
    call = await server.people.call(fan, at_fan.page.url.rsplit("/", 1)[-1])
    assert call["state"] not in ("REQUESTED", "CANCELLED", "REJECTED")
    wallet = await server.people.wallet(fan)
    assert wallet["balanceMinor"] <= 4_500


async def test_a_battle_from_the_ticket_to_the_pot(
    server: Server, at_creator: Visitor, at_rival: Visitor, at_fan: Visitor
) -> None:
    host = await server.people.register("creator", "Mia")
    rival = await server.people.register("creator", "Juno")
    fan = await server.people.register("fan", "Leo")
    assert await server.people.top_up(fan, 300) == "succeeded"
    stage, seat = at_creator.page, at_fan.page

    await at_creator.sign_in(host)
    await stage.goto(f"{server.url}/battles")
    await stage.get_by_role("button", name="Start a battle").click()
    await stage.get_by_label("Title").fill("Mia against Juno")
    await stage.get_by_label("Ticket").fill("5.00")
    await stage.get_by_label("Juno", exact=True).check()
    await stage.get_by_role("button", name="Open the doors").click()
    await stage.get_by_role("button", name="Go on stage").click()
    await stage.get_by_label("Your own picture").wait_for()
    room_id = stage.url.rsplit("/", 1)[-1]

    # Three in the wallet, five for the ticket: one tap brings the rest.
    await at_fan.sign_in(fan)
    await seat.goto(f"{server.url}/battles")
    await seat.get_by_role("link", name="Mia against Juno").click()
    await expect(seat.get_by_text("€2.00 are missing for the ticket.")).to_be_visible()
    await seat.get_by_role("button", name="Add €10.00").click()
    await seat.get_by_role("button", name="Buy a ticket for €5.00").click()
    await playing(seat.get_by_label("Mia, live"))

    await at_rival.sign_in(rival)
    await at_rival.page.goto(stage.url)
    await at_rival.page.get_by_role("button", name="Go on stage").click()
    await playing(seat.get_by_label("Juno, live"))
    await expect(stage.locator(".pot-pill")).to_contain_text("€5.00")

    # More than there is is not given; what there is is, and everybody sees it.
    await seat.get_by_role("button", name="Tip Juno").click()
    sheet = seat.get_by_role("dialog", name="Tip Juno")
    await sheet.get_by_text("€50.00").click()
    await expect(sheet.get_by_text("more are needed")).to_be_visible()
    await sheet.get_by_text("€5.00", exact=True).click()
    await sheet.get_by_label("Message").fill("Go Juno!")
    await sheet.get_by_role("button", name="Tip €5.00").click()
    for page in (stage, seat, at_rival.page):
        await expect(page.get_by_role("status").filter(has_text="Leo tipped Juno")).to_contain_text("Go Juno!")
    await expect(stage.get_by_role("article", name="Juno, €5.00")).to_be_visible()
    await expect(stage.get_by_role("article", name="Mia, €0.00")).to_be_visible()

    await expect(sheet).to_be_hidden()
    await seat.get_by_label("Message").fill("What a night")
    await seat.get_by_label("Message").press("Enter")
    await expect(stage.get_by_role("complementary", name="Chat")).to_contain_text("Leo What a night")

    await stage.get_by_role("button", name="End the battle").click()
    await stage.get_by_role("button", name="End and settle").click()
    for page in (stage, seat, at_rival.page):
        final = page.get_by_role("status").filter(has_text="The curtain has fallen.")
        await expect(final).to_contain_text(re.compile(r"Juno€5\.00.*Mia€0\.00"))
    wallet = await server.people.wallet(fan)
    assert wallet["balanceMinor"] == 300 + 1_000 - TICKET_MINOR - 500
    for creator, share_minor in ((host, TICKET_MINOR * 8 // 10), (rival, 400)):
        earned = await server.people.get("/api/creator/earnings", creator)
        assert earned["pendingMinor"] + earned["payableMinor"] == share_minor
    gone = await server.people.http.get(f"/api/rooms/{room_id}", headers=fan.bearer)
    assert gone.status_code == 410
    code, report = await server.command("ledger", "verify")
    assert code == 0, report


async def playing(video: Locator) -> None:
    """Wait until a picture is shown."""
    await video.wait_for()
    await video.evaluate(
        """(video) => video.readyState >= 2 || new Promise((resolve) => (video.onloadeddata = resolve))"""
    )


async def test_earnings_are_shown_by_day_and_paid_out(server: Server, at_creator: Visitor) -> None:
    creator = await server.people.register("creator", "Mia")
    fan = await server.people.fan(balance_minor=5_000)
    room = await server.people.battle(creator)
    await server.people.tip(fan, creator, room["roomId"], TIP_MINOR)
    net_minor = TIP_MINOR * 8 // 10

    page = at_creator.page
    await at_creator.sign_in(creator)
    await page.get_by_role("link", name="Earnings").click()
    by_day = page.get_by_role("region", name="By day")
    await expect(by_day).to_contain_text(f"{money(net_minor)} earned in 30 days")
    await expect(by_day.get_by_role("listitem")).to_contain_text(f"Tips{money(net_minor)}")
    await by_day.get_by_text("As a table").click()
    row = by_day.get_by_role("row").nth(1)
    await expect(row.get_by_role("cell")).to_have_text([money(net_minor), money(net_minor)])
    await by_day.get_by_label("7 days").check(force=True)
    await expect(by_day).to_contain_text("earned in 7 days")
    rows = await saved_csv(at_creator, by_day.get_by_role("button", name="CSV"))
    assert len(rows) == 1

    sums = page.get_by_role("region", name="Earnings", exact=True)
    await page.get_by_role("button", name="Pay out").click()
    sheet = page.get_by_role("dialog", name="Pay out")
    await sheet.get_by_label("Amount").fill("9.00")
    await expect(sheet.get_by_role("button", name="Pay out")).to_be_disabled()
    await sheet.get_by_label("Amount").fill("3.00")
    await sheet.get_by_role("button", name="Pay out €3.00").click()
    payouts = page.get_by_role("region", name="Payouts")
    await expect(payouts.get_by_role("listitem")).to_contain_text("€3.00")
    await expect(sums).to_contain_text("€5.00")
    await expect(payouts.get_by_role("listitem")).to_contain_text("Paid")


async def test_every_page_of_the_money_fits_phone_and_desktop(
    server: Server, at_fan: Visitor, at_creator: Visitor
) -> None:
    creator = await server.people.creator(
        instantUnlockMinor=500, subscriptionMonthlyMinor=2_500, subscriptionCalls="all", premiumHdMinor=200
    )
    fan = await server.people.fan(balance_minor=5_000)
    room = await server.people.battle(creator, entry_fee_minor=TICKET_MINOR)
    await server.people.tip(fan, creator, room["roomId"], TIP_MINOR)
    await at_fan.sign_in(fan)
    page = at_fan.page

    async def look(path: str, text: str, name: str) -> None:
        await page.goto(f"{server.url}{path}")
        await expect(page.get_by_text(text).first).to_be_visible()
        await inspect(at_fan, name)

    await look(f"/models/{creator.user_id}", "Every private call is included.", "20-model")
    await page.get_by_role("button", name="Subscribe").click()
    await inspect(at_fan, "21-subscribe")
    await look("/wallet", "Tip", "22-history")
    await page.get_by_role("button", name="CSV").click()
    await inspect(at_fan, "23-csv")
    await look("/wallet/cards", "Automatic top-up", "24-cards")
    await page.get_by_role("button", name="Remove").click()
    await inspect(at_fan, "25-remove-card")
    await look("/battles", "Friday night", "26-battles")
    await look(f"/battles/{room['roomId']}", "In the pot", "27-battle-door")
    await page.get_by_role("button", name="Buy a ticket").click()
    await page.get_by_role("button", name="Tip Creator").click()
    await inspect(at_fan, "28-tip")
    await page.get_by_role("dialog").get_by_role("button", name="Tip €5.00").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await inspect(at_fan, "29-battle")

    page = at_creator.page
    await at_creator.sign_in(creator)
    await expect(page.get_by_label("Skipping the queue")).to_have_value("5.00")
    await inspect(at_creator, "30-studio")
    await page.get_by_role("link", name="Earnings").click()
    await expect(page.get_by_text("after our fee")).to_be_visible()
    await page.get_by_text("As a table").click()
    await inspect(at_creator, "31-earnings")
    await page.get_by_role("button", name="Pay out").click()
    await inspect(at_creator, "32-payout")
    await page.goto(f"{server.url}/battles")
    await page.get_by_role("button", name="Start a battle").click()
    await inspect(at_creator, "33-new-battle")
    await page.goto(f"{server.url}/battles/{room['roomId']}")
    await page.get_by_role("button", name="Go on stage").click()
    await page.get_by_label("Your own picture").wait_for()
    await page.get_by_role("button", name="End the battle").click()
    await inspect(at_creator, "34-end-battle")
