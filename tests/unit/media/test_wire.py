"""What goes over the line to a node comes out as it went in."""

import pytest

from curtaincall.media import wire
from curtaincall.media.ports import (
    Flow,
    Grant,
    LeaseEnd,
    LeaseEnded,
    MediaEvent,
    MediaFlowing,
    MeterRead,
    OpenLease,
    OpenSeat,
    RoomLost,
    Slot,
    SlotStats,
    SpeakerChanged,
    StatsSampled,
    Subscription,
    TracksChanged,
    TransportChanged,
    TransportState,
)
from curtaincall.media.v1 import media_node_pb2 as pb

SLOTS = (
    Slot("0", "audio", "star", "microphone"),
    Slot("1", "video", None, None),
    Slot("2", "video", "star", "camera", height=240),
    Slot("3", "video", "star", "camera", paused="bandwidth"),
)
SENT, NOTHING = Flow(1_000_000, 12, 3_400), Flow(0, None, None)
SLOT_STATS = (SlotStats("2", 240, 150_000, 2, 1_200_000), SlotStats("3", None, 0, 0, 0))

EVENTS = [
    TracksChanged(1, 10, "room", "fan", SLOTS),
    TransportChanged(2, 11, "room", "fan", TransportState.CONNECTED),
    TransportChanged(3, 12, "room", "fan", TransportState.DISCONNECTED),
    SpeakerChanged(7, 16, "room", "fan", "star"),
    SpeakerChanged(8, 17, "room", "fan", None),
    StatsSampled(9, 18, "room", "fan", 20_000, 2_500_000, SENT, NOTHING, SLOT_STATS),
    StatsSampled(10, 19, "room", "fan", None, None, NOTHING, SENT, ()),
    MediaFlowing(4, 13, "room", "lease", 2),
    MeterRead(5, 14, "room", "lease", 1_234, True),
    *(LeaseEnded(6, 15, "room", "lease", cause, 2, 1_234, 20, 19, 0) for cause in LeaseEnd),
]


def crossed(event: MediaEvent, ahead_us: int = 0) -> MediaEvent | None:
    return wire.event_of(pb.Event.FromString(wire.event_message(event).SerializeToString()), ahead_us)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events(event: MediaEvent) -> None:
    assert crossed(event) == event


def test_every_event_of_a_node_crosses() -> None:
    # By name: with slots, each class has a twin that was made on the way to it.
    names = {kind.__name__ for kind in MediaEvent.__subclasses__()}
    assert {type(event).__name__ for event in EVENTS} == names - {RoomLost.__name__}


def test_times_are_told_in_our_own_clock_and_never_stays_never() -> None:
    ended = LeaseEnded(6, 1_015, "room", "lease", LeaseEnd.QUOTA, 2, 7, 1_020, 0, 0)
    assert crossed(ended, ahead_us=1_000) == LeaseEnded(6, 15, "room", "lease", LeaseEnd.QUOTA, 2, 7, 20, 0, 0)


def test_what_only_a_newer_node_says_is_no_event() -> None:
    assert wire.event_of(pb.Event(number=1, room_id="room"), 0) is None
    assert wire.event_of(pb.Event(number=1, lease_ended=pb.LeaseEnded(lease_id="lease")), 0) is None


def test_a_node_loses_no_room() -> None:
    with pytest.raises(TypeError):
        wire.event_message(RoomLost(1, 1, "room"))


@pytest.mark.parametrize("quota_ms", [None, 0, 60_000])
def test_grants(quota_ms: int | None) -> None:
    grant = Grant("room", "lease", 3, 4, quota_ms, 5_000)
    assert wire.granted(wire.grant(grant).grant) == grant


@pytest.mark.parametrize(("payer", "payee"), [(None, None), ("fan", "star")])
def test_leases_seats_and_subscriptions(payer: str | None, payee: str | None) -> None:
    lease = OpenLease("room", "lease", payer, payee)
    assert wire.opened_lease(wire.open_lease(lease).open_lease) == lease
    for may_publish in (True, False):
        seat = OpenSeat("room", "fan", "lease", may_publish)
        assert wire.opened_seat(wire.open_seat(seat).open_seat) == seat
    wish = Subscription("room", "fan", "star", 0, 255)
    assert wire.subscribed(wire.subscribe(wish).subscribe) == wish
