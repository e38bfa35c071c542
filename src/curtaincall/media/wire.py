"""Between the values of the MediaEngine port and the messages of `proto/curtaincall/media/v1`."""

from typing import Final, TypeVar, assert_never

from google.protobuf.message import Message

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

V = TypeVar("V")

CAUSES: Final = {
    LeaseEnd.QUOTA: pb.LEASE_END_QUOTA,
    LeaseEnd.LAPSED: pb.LEASE_END_LAPSED,
    LeaseEnd.REVOKED: pb.LEASE_END_REVOKED,
    LeaseEnd.CLOSED: pb.LEASE_END_CLOSED,
}
CAUSES_BACK: Final = {number: cause for cause, number in CAUSES.items()}

# ---- commands -------------------------------------------------------------------------------------------------------


def open_lease(command: OpenLease) -> pb.Command:
    return pb.Command(
        open_lease=pb.OpenLease(
            room_id=command.room_id,
            lease_id=command.lease_id,
            payer_id=command.payer_id,
            payee_id=command.payee_id,
        )
    )


def grant(command: Grant) -> pb.Command:
    return pb.Command(
        grant=pb.Grant(
            room_id=command.room_id,
            lease_id=command.lease_id,
            epoch=command.epoch,
            seq=command.seq,
            granted_ms=command.granted_ms,
            lease_ms=command.lease_ms,
        )
    )


def open_seat(command: OpenSeat) -> pb.Command:
    return pb.Command(
        open_seat=pb.OpenSeat(
            room_id=command.room_id,
            user_id=command.user_id,
            lease_id=command.lease_id,
            may_publish=command.may_publish,
        )
    )


def subscribe(command: Subscription) -> pb.Command:
    return pb.Command(
        subscribe=pb.Subscribe(
            room_id=command.room_id,
            user_id=command.user_id,
            source_user_id=command.source_user_id,
            max_height=command.max_height,
            priority=command.priority,
        )
    )


def opened_lease(message: pb.OpenLease) -> OpenLease:
    return OpenLease(
        message.room_id,
        message.lease_id,
        message.payer_id if message.HasField("payer_id") else None,
        message.payee_id if message.HasField("payee_id") else None,
    )


def granted(message: pb.Grant) -> Grant:
    return Grant(
        message.room_id,
        message.lease_id,
        message.epoch,
        message.seq,
        message.granted_ms if message.HasField("granted_ms") else None,
        message.lease_ms,
    )


def opened_seat(message: pb.OpenSeat) -> OpenSeat:
    return OpenSeat(message.room_id, message.user_id, message.lease_id, message.may_publish)


def subscribed(message: pb.Subscribe) -> Subscription:
    return Subscription(message.room_id, message.user_id, message.source_user_id, message.max_height, message.priority)


# ---- events ---------------------------------------------------------------------------------------------------------


def event_message(event: MediaEvent) -> pb.Event:
    """The message of a node's own event. Raises TypeError for one that nodes do not have."""
    message = pb.Event(number=event.number, at_us=event.at_us, room_id=event.room_id)
    match event:
        case TracksChanged():
            slots = [
                pb.Slot(
                    mid=slot.mid,
                    kind=slot.kind,
                    user_id=slot.user_id,
                    source=slot.source,
                    height=slot.height,
                    paused=slot.paused,
                )
                for slot in event.slots
            ]
            message.tracks_changed.CopyFrom(pb.TracksChanged(user_id=event.user_id, slots=slots))
        case TransportChanged():
            connected = event.state is TransportState.CONNECTED
            message.transport_changed.CopyFrom(pb.TransportChanged(user_id=event.user_id, connected=connected))
        case SpeakerChanged():
            message.speaker_changed.CopyFrom(
                pb.SpeakerChanged(user_id=event.user_id, speaker_id=event.speaker_id),
            )
        case StatsSampled():
            message.stats_sampled.CopyFrom(_stats_message(event))
        case MediaFlowing():
            message.media_flowing.CopyFrom(pb.MediaFlowing(lease_id=event.lease_id, epoch=event.epoch))
        case MeterRead():
            message.meter_read.CopyFrom(
                pb.MeterRead(lease_id=event.lease_id, billable_us=event.billable_us, running=event.running)
            )
        case LeaseEnded():
            message.lease_ended.CopyFrom(
                pb.LeaseEnded(
                    lease_id=event.lease_id,
                    cause=CAUSES[event.cause],
                    epoch=event.epoch,
                    billable_us=event.billable_us,
                    deadline_us=event.deadline_us,
                    last_forward_us=event.last_forward_us,
                    packets_after_deadline=event.packets_after_deadline,
                )
            )
        case _:
            raise TypeError(f"A node has no {type(event).__name__}.")
    return message


def event_of(message: pb.Event, ahead_us: int) -> MediaEvent | None:
    """The event of a message, None for one that only a newer node has.

    `ahead_us` is how far the node's monotonic clock is ahead of ours: what is returned is in ours.
    """
    number, at_us, room = message.number, message.at_us - ahead_us, message.room_id
    match message.WhichOneof("what"):
        case "tracks_changed":
            return TracksChanged(
                number,
                at_us,
                room,
                message.tracks_changed.user_id,
                tuple(_slot(slot) for slot in message.tracks_changed.slots),
            )
        case "transport_changed":
            state = TransportState.CONNECTED if message.transport_changed.connected else TransportState.DISCONNECTED
            return TransportChanged(number, at_us, room, message.transport_changed.user_id, state)
        case "speaker_changed":
            speaker = message.speaker_changed
            return SpeakerChanged(
                number, at_us, room, speaker.user_id, _if_set(speaker, "speaker_id", speaker.speaker_id)
            )
        case "stats_sampled":
            return _stats_sampled(message, at_us)
        case "media_flowing":
            flowing = message.media_flowing
            return MediaFlowing(number, at_us, room, flowing.lease_id, flowing.epoch)
        case "meter_read":
            meter = message.meter_read
            return MeterRead(number, at_us, room, meter.lease_id, meter.billable_us, meter.running)
        case "lease_ended":
            return _lease_ended(message, at_us, ahead_us)
        case None:
            return None
        case other:
            assert_never(other)


def _slot(slot: pb.Slot) -> Slot:
    return Slot(
        slot.mid,
        slot.kind,
        _if_set(slot, "user_id", slot.user_id),
        _if_set(slot, "source", slot.source),
        _if_set(slot, "height", slot.height),
        _if_set(slot, "paused", slot.paused),
    )


def _stats_message(event: StatsSampled) -> pb.StatsSampled:
    return pb.StatsSampled(
        user_id=event.user_id,
        rtt_us=event.rtt_us,
        estimate_bps=event.estimate_bps,
        up=_flow_message(event.up),
        down=_flow_message(event.down),
        slots=[
            pb.SlotStats(
                mid=slot.mid,
                height=slot.height,
                rate_bps=slot.rate_bps,
                freezes=slot.freezes,
                frozen_us=slot.frozen_us,
            )
            for slot in event.slots
        ],
    )


def _flow_message(flow: Flow) -> pb.Flow:
    return pb.Flow(rate_bps=flow.rate_bps, loss_permille=flow.loss_permille, jitter_us=flow.jitter_us)


def _stats_sampled(message: pb.Event, at_us: int) -> StatsSampled:
    stats = message.stats_sampled
    slots = (
        SlotStats(slot.mid, _if_set(slot, "height", slot.height), slot.rate_bps, slot.freezes, slot.frozen_us)
        for slot in stats.slots
    )
    return StatsSampled(
        number=message.number,
        at_us=at_us,
        room_id=message.room_id,
        user_id=stats.user_id,
        rtt_us=_if_set(stats, "rtt_us", stats.rtt_us),
        estimate_bps=_if_set(stats, "estimate_bps", stats.estimate_bps),
        up=_flow(stats.up),
        down=_flow(stats.down),
        slots=tuple(slots),
    )


def _flow(flow: pb.Flow) -> Flow:
    return Flow(
        flow.rate_bps,
        _if_set(flow, "loss_permille", flow.loss_permille),
        _if_set(flow, "jitter_us", flow.jitter_us),
    )


def _if_set(message: Message, field: str, value: V) -> V | None:
    return value if message.HasField(field) else None


def _lease_ended(message: pb.Event, at_us: int, ahead_us: int) -> LeaseEnded | None:
    ended = message.lease_ended
    cause = CAUSES_BACK.get(ended.cause)
    if cause is None:
        return None
    return LeaseEnded(
        number=message.number,
        at_us=at_us,
        room_id=message.room_id,
        lease_id=ended.lease_id,
        cause=cause,
        epoch=ended.epoch,
        billable_us=ended.billable_us,
        deadline_us=ended.deadline_us - ahead_us,
        last_forward_us=ended.last_forward_us - ahead_us if ended.last_forward_us else 0,
        packets_after_deadline=ended.packets_after_deadline,
    )
