"""The words in which participants are told of the media."""

from curtaincall.media.ports import Flow, Slot, SlotStats, SpeakerChanged, StatsSampled, TracksChanged
from curtaincall.transports.ws.sight import speaker, stats, tracks


def test_tracks_tell_the_height_and_why_a_picture_stands_still() -> None:
    slots = (Slot("0", "video", "star", "camera", 480, None), Slot("1", "video", "ann", "camera", None, "bandwidth"))
    assert tracks(TracksChanged(1, 2, "room", "fan", slots)) == {
        "type": "TRACKS",
        "slots": [
            {"mid": "0", "kind": "video", "userId": "star", "source": "camera", "height": 480, "paused": None},
            {"mid": "1", "kind": "video", "userId": "ann", "source": "camera", "height": None, "paused": "bandwidth"},
        ],
    }


def test_speaker_names_who_speaks_or_nobody() -> None:
    assert speaker(SpeakerChanged(1, 2, "room", "fan", "star")) == {"type": "SPEAKER", "userId": "star"}
    assert speaker(SpeakerChanged(1, 2, "room", "fan", None)) == {"type": "SPEAKER", "userId": None}


def test_stats_are_in_milliseconds_percent_and_bits_per_second() -> None:
    up, down = Flow(900_000, 12, 3_450), Flow(2_000_000, None, None)
    event = StatsSampled(
        1, 2, "room", "fan", 20_480, 4_000_000, up, down, (SlotStats("3", 240, 150_000, 2, 1_200_000),)
    )
    assert stats(event) == {
        "type": "STATS",
        "rttMs": 20.5,
        "estimateBps": 4_000_000,
        "up": {"rateBps": 900_000, "lossPercent": 1.2, "jitterMs": 3.5},
        "down": {"rateBps": 2_000_000, "lossPercent": None, "jitterMs": None},
        "slots": [{"mid": "3", "height": 240, "rateBps": 150_000, "freezes": 2, "frozenMs": 1_200.0}],
    }


def test_stats_name_nobody() -> None:
    unknown = Flow(0, None, None)
    told = stats(StatsSampled(1, 2, "room", "fan", None, None, unknown, unknown, (SlotStats("3", None, 0, 0, 0),)))
    assert "fan" not in str(told)
    assert "room" not in str(told)
