"""A conference between three real browsers: from the studio's link to the leaving, and a removal."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial

import pytest
from playwright.async_api import Playwright, expect

from support.browser import DESKTOP, PHONE, Network, Visitor, browser_at
from support.inspection import inspect
from support.people import Person
from support.server import Server
from support.signaling import Signaling
from support.waiting import until

pytestmark = pytest.mark.browser

SOUND_ALONE_BYTES_A_S = 8_000
"""What carries a voice and no picture."""

KEEP_CONNECTIONS = """
// So that a test may ask for the statistics of the page's connections.
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...options) { super(...options); window.connections.push(this); }
};
"""

SPEAK = """
// A steady tone in place of the microphone: somebody who speaks without a pause.
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await ask(constraints);
    const context = new AudioContext();
    const tone = new OscillatorNode(context, { frequency: 220 });
    const voice = context.createMediaStreamDestination();
    tone.connect(new GainNode(context, { gain: 0.3 })).connect(voice);
    tone.start();
    for (const track of stream.getAudioTracks()) {
        stream.removeTrack(track);
        stream.addTrack(voice.stream.getAudioTracks()[0]);
    }
    return stream;
};
"""

SENT_LAYERS = """
async () => {
    const report = await window.connections.at(-1).getStats();
    return [...report.values()]
        .filter(({ type, kind }) => type === 'outbound-rtp' && kind === 'video')
        .filter(({ framesSent }) => framesSent > 0)
        .map(({ rid }) => rid)
        .sort();
}
"""

ACKNOWLEDGED_LAYERS = """
async () => {
    // Layers of which the server has sent receiver reports: those that it receives.
    const report = await window.connections.at(-1).getStats();
    const layers = new Map([...report.values()].filter(({ type }) => type === 'outbound-rtp').map((s) => [s.id, s]));
    return [...report.values()]
        .filter(({ type, kind }) => type === 'remote-inbound-rtp' && kind === 'video')
        .map(({ localId }) => layers.get(localId)?.rid)
        .sort();
}
"""

LIVE_PICTURES = """
async ({ people, frames, timeoutMs }) => {
    // Waits until so many people other than oneself are seen moving; returns the sizes of their pictures.
    const deadline = performance.now() + timeoutMs;
    const seen = new Map();
    while (performance.now() < deadline) {
        const videos = [...document.querySelectorAll('.conference-grid video')].filter((video) => !video.muted);
        for (const video of videos) {
            const decoded = video.getVideoPlaybackQuality().totalVideoFrames;
            const before = seen.get(video) ?? decoded;
            seen.set(video, before);
            if (decoded - before >= frames) video.dataset.live = `${video.videoWidth}x${video.videoHeight}`;
        }
        const live = videos.filter((video) => video.dataset.live !== undefined);
        if (live.length >= people) return live.map((video) => video.dataset.live);
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    throw new Error(`only ${[...seen.keys()].filter((video) => video.dataset.live !== undefined).length} people seen`);
}
"""


@pytest.fixture
async def at_guest(playwright: Playwright, server: Server) -> AsyncIterator[Visitor]:
    """The browser of a third person."""
    async with browser_at(playwright, server.url) as visitor:
        yield visitor
        assert visitor.complaints == []


async def sees_moving(visitor: Visitor, people: int) -> list[str]:
    wish = {"people": people, "frames": 15, "timeoutMs": 30_000}
    return list(await visitor.page.evaluate(LIVE_PICTURES, wish))


def note_wish(wishes: dict[str, int], frame: str | bytes) -> None:
    """Keep how many lines were asked for last, by user."""
    message = json.loads(frame)
    if message["type"] == "SET_SUBSCRIPTION":
        wishes[message["userId"]] = message["maxHeight"]


async def asks_for(wishes: dict[str, int], lines: int) -> bool:
    return list(wishes.values()) == [lines, lines]


async def go_in(visitor: Visitor, person: Person, link: str) -> None:
    await visitor.sign_in(person)
    await visitor.page.goto(link)
    await visitor.page.get_by_role("button", name="Join").click()


async def test_three_people_meet_by_a_link(
    server: Server, at_fan: Visitor, at_creator: Visitor, at_guest: Visitor
) -> None:
    creator = await server.people.creator()
    fan, guest = await server.people.fan(), await server.people.fan()
    for visitor in (at_fan, at_creator, at_guest):
        await visitor.page.add_init_script(KEEP_CONNECTIONS)

    # The creator opens a room in the studio, and has a link to send.
    await at_creator.sign_in(creator)
    await at_creator.page.get_by_label("Name of the room").fill("Rehearsal")
    await at_creator.page.get_by_role("button", name="Open a room").click()
    link = await at_creator.page.get_by_label("Link to this room").input_value()
    assert re.fullmatch(re.escape(server.url) + r"/?rooms/[\w-]+", link)
    await inspect(at_creator, "40-open-room")
    await at_creator.page.get_by_role("link", name="Go in").click()
    await expect(at_creator.page.get_by_text("Nobody is there yet.")).to_be_visible()
    await inspect(at_creator, "41-conference-door")
    async with at_creator.page.expect_websocket(lambda socket: "signaling" in socket.url) as opened:
        await at_creator.page.get_by_role("button", name="Join").click()
    wishes: dict[str, int] = {}
    (await opened.value).on("framesent", partial(note_wish, wishes))
    await expect(at_creator.page.get_by_role("region", name="Invite")).to_be_visible()
    await inspect(at_creator, "42-conference-alone")

    await go_in(at_fan, fan, link)
    await go_in(at_guest, guest, link)
    for visitor in (at_fan, at_creator, at_guest):
        await sees_moving(visitor, 2)
        await expect(visitor.page.get_by_role("list", name="People in the room").get_by_role("listitem")).to_have_count(
            3
        )
        await expect(visitor.page.get_by_text("3 here")).to_be_visible()

    # Three sizes are sent, as far as the encoder's bandwidth has come, and all of them arrive.
    page = at_creator.page
    await page.wait_for_function(f"async () => (await ({SENT_LAYERS})()).join() === 'h,l,m'")
    await page.wait_for_function(f"async () => (await ({ACKNOWLEDGED_LAYERS})()).join() === 'h,l,m'")

    # Mute state and quality are told in words.
    await at_fan.page.get_by_role("button", name="Mute microphone").click()
    muted = at_creator.page.get_by_role("listitem", name=re.compile("microphone off"))
    await expect(muted).to_have_count(1)
    await at_fan.page.get_by_role("button", name="Unmute microphone").click()
    await expect(muted).to_have_count(0)
    await expect(page.locator(".quality[data-grade]")).to_have_text(re.compile("connection"))

    await at_guest.page.get_by_role("button", name="Chat").click()
    await at_guest.page.get_by_label("Message").fill("Good evening")
    await at_guest.page.get_by_label("Message").press("Enter")
    await page.get_by_role("button", name="Chat, 1 unread").click()
    await expect(page.get_by_role("complementary", name="Chat")).to_contain_text("Good evening")
    await inspect(at_creator, "43-conference")
    await page.keyboard.press("Escape")
    await inspect(at_creator, "44-conference-three")

    # Whoever looks at a smaller window asks for less, by itself.
    for size, lines in ((PHONE, 240), (DESKTOP, 480)):
        await page.set_viewport_size(size)
        await until(partial(asks_for, wishes, lines))

    await at_guest.page.get_by_role("link", name="Leave the room").click()
    await expect(page.get_by_text("2 here")).to_be_visible()
    await sees_moving(at_creator, 1)


async def test_somebody_who_is_removed_is_told_so(server: Server, at_fan: Visitor, at_creator: Visitor) -> None:
    creator, fan = await server.people.creator(), await server.people.fan()
    room = await server.people.conference("rehearsal")
    link = f"{server.url}/rooms/{room['roomId']}"
    await go_in(at_creator, creator, link)
    await go_in(at_fan, fan, link)
    await sees_moving(at_fan, 1)
    await sees_moving(at_creator, 1)

    assert await server.people.terminate("rehearsal", fan.user_id, "ADMIN_TERMINATED") == {"success": True}
    await expect(at_fan.page.get_by_role("alert")).to_have_text("You were removed from this room.")
    assert await at_fan.page.locator("video").count() == 0
    await inspect(at_fan, "45-conference-removed")
    # The others go on without them, and there is no way back.
    await expect(at_creator.page.get_by_text("Only you")).to_be_visible()
    await at_fan.page.goto(link)
    join = at_fan.page.get_by_role("button", name="Join")
    await join.click()
    await expect(at_fan.page.get_by_role("alert")).to_be_visible()
    await expect(at_creator.page.get_by_text("Only you")).to_be_visible()


async def test_everybody_sees_who_speaks_and_how_good_the_connection_is(
    server: Server, at_fan: Visitor, at_creator: Visitor
) -> None:
    creator, fan = await server.people.creator(), await server.people.fan()
    await server.people.conference("talk")
    await at_fan.page.add_init_script(SPEAK)
    for visitor, person in ((at_creator, creator), (at_fan, fan)):
        await go_in(visitor, person, f"{server.url}/rooms/talk")
    for visitor, speaker in ((at_creator, r"^(?!You).*speaking"), (at_fan, r"^You.*speaking")):
        await expect(visitor.page.get_by_role("listitem", name=re.compile(speaker))).to_have_count(1)
        # What the server counts is in the quality, beside what the browser measures.
        figures = re.compile(r"Mbit/s received, of [\d.]+ Mbit/s possible, [\d.]+ Mbit/s sent")
        await expect(visitor.page.locator(".quality")).to_have_attribute("title", figures)
    await inspect(at_creator, "47-conference-speaker")
    await at_fan.page.get_by_role("button", name="Mute microphone").click()
    await expect(at_creator.page.get_by_role("listitem", name=re.compile("speaking"))).to_have_count(0)


async def test_a_picture_that_the_connection_would_not_carry_is_said_to_be_held_back(
    server: Server, at_fan: Visitor, at_creator: Visitor
) -> None:
    creator, fan = await server.people.creator(), await server.people.fan()
    await server.people.conference("far-away")
    network = await Network.of(at_fan.page)
    for visitor, person in ((at_creator, creator), (at_fan, fan)):
        await go_in(visitor, person, f"{server.url}/rooms/far-away")
    await sees_moving(at_fan, 1)
    await network.throttle(down_bytes_a_s=SOUND_ALONE_BYTES_A_S)
    note = at_fan.page.get_by_text("your connection is too slow")
    await expect(note).to_be_visible()
    await expect(at_fan.page.locator(".quality")).to_have_attribute("data-grade", re.compile("fair|poor"))
    await inspect(at_fan, "48-conference-held-back")
    await network.mend()
    await expect(note).to_have_count(0)
    await sees_moving(at_fan, 1)


async def test_twenty_people_fit_on_a_phone_and_on_a_desktop(server: Server, at_fan: Visitor) -> None:
    await server.people.conference("full-house")
    async with AsyncExitStack() as seats:
        for number in range(1, 20):
            seat = await seats.enter_async_context(Signaling(server.url))
            user_id = f"guest-{number}"
            token = await server.people.join_token("full-house", user_id)
            await seat.join("full-house", user_id, token=token)
            await seat.wait_for("JOINED")
        await go_in(at_fan, await server.people.fan(), f"{server.url}/rooms/full-house")
        people = at_fan.page.get_by_role("list", name="People in the room").get_by_role("listitem")
        await expect(people).to_have_count(20)
        await inspect(at_fan, "46-conference-twenty")
        for size in (PHONE, DESKTOP):
            await at_fan.page.set_viewport_size(size)
            for tile in await people.all():
                box = await tile.bounding_box()
                assert box is not None
                assert min(box["width"], box["height"]) >= 90, "a face could not be made out"
                assert box["y"] + box["height"] <= size["height"], "nobody is out of sight"
