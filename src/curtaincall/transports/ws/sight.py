"""What a participant is told of the media: TRACKS, SPEAKER, STATS."""

from curtaincall.media.ports import Flow, SpeakerChanged, StatsSampled, TracksChanged
from curtaincall.transports.ws.messages import Message


def tracks(event: TracksChanged) -> Message:
    slots = [
        {
            "mid": slot.mid,
            "kind": slot.kind,
            "userId": slot.user_id,
            "source": slot.source,
            "height": slot.height,
            "paused": slot.paused,
        }
        for slot in event.slots
    ]
    return {"type": "TRACKS", "slots": slots}


def speaker(event: SpeakerChanged) -> Message:
    return {"type": "SPEAKER", "userId": event.speaker_id}


def stats(event: StatsSampled) -> Message:
    return {
        "type": "STATS",
        "rttMs": _ms(event.rtt_us),
        "estimateBps": event.estimate_bps,
        "up": _flow(event.up),
        "down": _flow(event.down),
        "slots": [
            {
                "mid": slot.mid,
                "height": slot.height,
                "rateBps": slot.rate_bps,
                "freezes": slot.freezes,
                "frozenMs": _ms(slot.frozen_us),
            }
            for slot in event.slots
        ],
    }


def _flow(flow: Flow) -> dict[str, object]:
    return {
        "rateBps": flow.rate_bps,
        "lossPercent": None if flow.loss_permille is None else flow.loss_permille / 10,
        "jitterMs": _ms(flow.jitter_us),
    }


def _ms(length_us: int | None) -> float | None:
    """Milliseconds to the tenth."""
    return None if length_us is None else round(length_us / 1_000, 1)
