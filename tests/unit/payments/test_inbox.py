"""The webhook inbox: who is believed, what is stored once, and what happens to what fails."""

import json
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select

from curtaincall.payments import inbox as inbox_module
from curtaincall.payments import signature
from curtaincall.payments.errors import (
    GatewayUnavailable,
    GatewayUnknown,
    PaymentUnknown,
    WebhookForged,
    WebhookFromFuture,
    WebhookMalformed,
    WebhookStale,
)
from curtaincall.payments.inbox import InboxStatus, WebhookInbox, webhook_inbox
from curtaincall.payments.ports import EventKind, WebhookEvent
from curtaincall.payments.sandbox.webhooks import SIGNATURE_HEADER
from support.payments_world import SECRET, PaymentsWorld

TOLERANCE_MS = 300_000


def body(event_id: str = "evt_1", event_type: str = "charge.succeeded", object_id: str = "ch_1") -> bytes:
    return json.dumps({"id": event_id, "type": event_type, "data": {"object": {"id": object_id}}}).encode()


def signed(world: PaymentsWorld, raw_body: bytes, ahead_ms: int = 0, secret: str = SECRET) -> dict[str, str]:
    return {SIGNATURE_HEADER: signature.sign(secret, raw_body, (world.clock.now_ms() + ahead_ms) // 1000)}


async def rows(world: PaymentsWorld) -> list[tuple[str, str, int]]:
    t = webhook_inbox
    query = select(t.c.event_id, t.c.status, t.c.attempts).order_by(t.c.event_id)
    return await world.executor.read(lambda tx: [(row[0], row[1], row[2]) for row in tx.execute(query)])


class Worker:
    """Works as it is told to, and counts."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.refusal: Exception | None = None
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def __call__(self, gateway: str, event: WebhookEvent) -> None:
        self.seen.append(event.event_id)
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.refusal is not None:
            raise self.refusal


def inbox_of(world: PaymentsWorld, worker: Worker) -> WebhookInbox:
    return WebhookInbox(world.executor, world.gateways, world.clock, {EventKind.CHARGE: worker})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {SIGNATURE_HEADER: ""},
        {SIGNATURE_HEADER: "t=abc,v1=00"},
        {SIGNATURE_HEADER: "v1=00"},
        {SIGNATURE_HEADER: "t=1790000000"},
        {SIGNATURE_HEADER: "t=1790000000,t=1790000000,v1=00"},
        {SIGNATURE_HEADER: "t=1790000000,v1=" + "0" * 64},
        {SIGNATURE_HEADER: "t=1790000000,v1=\N{SNOWMAN}"},
        {SIGNATURE_HEADER: "t=1790000000," + "v1=00," * 1_000},
        {"other-signature": "t=1790000000,v1=00"},
    ],
)
async def test_what_nobody_signed_is_forged(world: PaymentsWorld, headers: dict[str, str]) -> None:
    with pytest.raises(WebhookForged):
        await world.inbox.receive("sandbox", headers, body())
    assert await rows(world) == []


async def test_another_secret_or_other_bytes_are_forged(world: PaymentsWorld) -> None:
    raw = body()
    with pytest.raises(WebhookForged):
        await world.inbox.receive("sandbox", signed(world, raw, secret="guessed"), raw)
    with pytest.raises(WebhookForged):
        await world.inbox.receive("sandbox", signed(world, raw), raw + b" ")
    with pytest.raises(GatewayUnknown):
        await world.inbox.receive("stripe", signed(world, raw), raw)


async def test_what_is_too_old_or_from_the_future_is_refused_at_the_bound(world: PaymentsWorld) -> None:
    raw = body()
    with pytest.raises(WebhookStale):
        await world.inbox.receive("sandbox", signed(world, raw, -TOLERANCE_MS - 1_000), raw)
    with pytest.raises(WebhookFromFuture):
        await world.inbox.receive("sandbox", signed(world, raw, TOLERANCE_MS + 1_000), raw)
    assert await world.inbox.receive("sandbox", signed(world, raw, -TOLERANCE_MS), raw)
    later = body("evt_2")
    assert await world.inbox.receive("sandbox", signed(world, later, TOLERANCE_MS), later)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"event"',
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"id": "evt_1", "type": "charge.succeeded"}',
        b'{"id": 1, "type": "charge.succeeded", "data": {"object": {"id": "ch_1"}}}',
        b'{"id": "evt_1", "type": "charge.succeeded", "data": {"object": {"id": {}}}}',
        b'{"id": "evt_1", "type": "charge.succeeded", "data": {"object": []}}',
        json.dumps({"id": "e" * 300, "type": "charge.x", "data": {"object": {"id": "ch_1"}}}).encode(),
    ],
)
async def test_what_is_signed_but_no_event_is_malformed(world: PaymentsWorld, raw: bytes) -> None:
    with pytest.raises(WebhookMalformed):
        await world.inbox.receive("sandbox", signed(world, raw), raw)


async def test_an_event_is_stored_once_and_worked_on_once(world: PaymentsWorld) -> None:
    worker = Worker()
    inbox, raw = inbox_of(world, worker), body()
    assert await inbox.receive("sandbox", signed(world, raw), raw)
    for _ in range(3):
        assert not await inbox.receive("sandbox", signed(world, raw), raw)
    assert await inbox.work() == 1
    assert await inbox.work() == 0
    assert not await inbox.receive("sandbox", signed(world, raw), raw)
    assert await inbox.work() == 0
    assert worker.seen == ["evt_1"]
    assert await rows(world) == [("evt_1", InboxStatus.PROCESSED, 1)]


async def test_what_nobody_here_wants_is_kept_and_left_alone(world: PaymentsWorld) -> None:
    raw = body(event_type="balance.available")
    assert await world.inbox.receive("sandbox", signed(world, raw), raw)
    assert await world.inbox.work() == 0
    assert await rows(world) == [("evt_1", InboxStatus.IGNORED, 0)]


@pytest.mark.parametrize(
    ("refusal", "end"),
    [
        (GatewayUnavailable("silent"), InboxStatus.DEAD),
        (ValueError("broken"), InboxStatus.DEAD),
        (PaymentUnknown("none of ours"), InboxStatus.IGNORED),
    ],
)
async def test_what_fails_is_tried_again_and_then_given_up(
    world: PaymentsWorld, refusal: Exception, end: InboxStatus
) -> None:
    worker = Worker()
    worker.refusal = refusal
    inbox, raw = inbox_of(world, worker), body()
    await inbox.receive("sandbox", signed(world, raw), raw)
    moments = []
    for second in range(1_200):
        if await inbox.work():
            moments.append(second)
        world.clock.advance_us(1_000_000)
    assert moments == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511]
    assert len(moments) == inbox_module.MAX_ATTEMPTS
    assert await rows(world) == [("evt_1", end, inbox_module.MAX_ATTEMPTS)]


async def test_what_a_crashed_worker_left_is_taken_up_after_the_window(world: PaymentsWorld) -> None:
    dead, alive = Worker(), Worker()
    inbox, raw = inbox_of(world, dead), body()
    await inbox.receive("sandbox", signed(world, raw), raw)

    class Killed(BaseException):
        pass

    async def die() -> None:
        raise Killed

    dead.meanwhile = die
    with pytest.raises(Killed):
        await inbox.work()
    inbox = inbox_of(world, alive)
    assert await inbox.work() == 0
    world.clock.advance_us(inbox_module.STUCK_AFTER_MS * 1_000)
    assert await inbox.work() == 1
    assert await rows(world) == [("evt_1", InboxStatus.PROCESSED, 2)]


async def test_two_workers_do_not_work_on_the_same_event(world: PaymentsWorld) -> None:
    first, second = Worker(), Worker()
    mine, theirs, raw = inbox_of(world, first), inbox_of(world, second), body()
    await mine.receive("sandbox", signed(world, raw), raw)
    first.meanwhile = theirs.work
    assert await mine.work() == 1
    assert (first.seen, second.seen) == (["evt_1"], [])


async def test_what_is_older_than_anything_repeated_is_forgotten(world: PaymentsWorld) -> None:
    raw = body()
    await world.inbox.receive("sandbox", signed(world, raw), raw)
    world.clock.advance_us((inbox_module.RETENTION_MS - 1_000) * 1_000)
    await world.inbox.forget()
    assert len(await rows(world)) == 1
    world.clock.advance_us(2_000_000)
    await world.inbox.forget()
    assert await rows(world) == []
