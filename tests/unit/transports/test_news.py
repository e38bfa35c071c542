"""Whom the news of the media reaches: the one whom it is about, in the room where it happened."""

from types import SimpleNamespace
from typing import cast

import pytest

from curtaincall.charging.service import ChargingService
from curtaincall.enforcement.service import PaymentEnforcementService
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.kernel.events import EventBus
from curtaincall.media.ports import Flow, MediaEvent, Slot, SpeakerChanged, StatsSampled, TracksChanged
from curtaincall.observability.metrics import Metrics
from curtaincall.rooms.service import RoomsService
from curtaincall.transports.services import Services
from curtaincall.transports.ws.events import EventsHub
from curtaincall.transports.ws.messages import Message
from curtaincall.transports.ws.news import News

FLOW = Flow(1_000_000, 3, 4_000)

NEWS = [
    (TracksChanged(1, 2, "one", "ann", (Slot("0", "video", "bob", "camera"),)), "TRACKS"),
    (SpeakerChanged(1, 2, "one", "ann", "bob"), "SPEAKER"),
    (StatsSampled(1, 2, "one", "ann", 20_000, 1_000_000, FLOW, FLOW, ()), "STATS"),
]


class Line:
    """A connection that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[Message] = []

    def send(self, message: Message) -> None:
        self.told.append(message)

    def terminate(self, reason: str, redirect_url: str | None) -> None:
        raise AssertionError(f"nobody was to be cut: {reason}")

    def dismiss(self, reason: CurtaincallError) -> None:
        raise AssertionError(f"nobody was to be dismissed: {reason}")


@pytest.fixture
def bus() -> EventBus:
    return EventBus()


@pytest.fixture
def enforcement(bus: EventBus) -> PaymentEnforcementService:
    """Which knows the connections; the news are told on the bus."""
    rooms, charging = cast(RoomsService, SimpleNamespace()), cast(ChargingService, SimpleNamespace())
    enforcement = PaymentEnforcementService(rooms, charging, bus, Metrics())
    News(cast(Services, SimpleNamespace(bus=bus, enforcement=enforcement)), EventsHub())
    return enforcement


@pytest.mark.parametrize(("event", "word"), NEWS, ids=[word for _, word in NEWS])
async def test_it_reaches_nobody_else(
    event: MediaEvent, word: str, bus: EventBus, enforcement: PaymentEnforcementService
) -> None:
    lines = {(room, user): Line() for room in ("one", "two") for user in ("ann", "bob")}
    for (room, user), line in lines.items():
        enforcement.register_connection(room, user, line)
    assert await bus.publish(event)
    told = {seat: [message["type"] for message in line.told] for seat, line in lines.items()}
    assert told == {("one", "ann"): [word], ("one", "bob"): [], ("two", "ann"): [], ("two", "bob"): []}


@pytest.mark.usefixtures("enforcement")
@pytest.mark.parametrize("event", [event for event, _ in NEWS], ids=[word for _, word in NEWS])
async def test_of_whom_nobody_is_connected_nothing_is_told(event: MediaEvent, bus: EventBus) -> None:
    assert await bus.publish(event)
