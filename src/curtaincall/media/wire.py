"""Between the values of the MediaEngine port and the messages of `proto/curtaincall/media/v1`."""

from typing import Final, assert_never

from curtaincall.media.ports import (
    Grant,
    LeaseEnd,
    LeaseEnded,
    MediaEvent,
    MediaFlowing,
    MeterRead,
    OpenLease,
    OpenSeat,
    Slot,
    Subscription,
    TracksChanged,
    TransportChanged,
    TransportState,
)
from curtaincall.media.v1 import media_node_pb2 as pb

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
                pb.Slot(mid=slot.mid, kind=slot.kind, user_id=slot.user_id, source=slot.source) for slot in event.slots
            ]
            message.tracks_changed.CopyFrom(pb.TracksChanged(user_id=event.user_id, slots=slots))
        case TransportChanged():
            connected = event.state is TransportState.CONNECTED
            message.transport_changed.CopyFrom(pb.TransportChanged(user_id=event.user_id, connected=connected))
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
        slot.user_id if slot.HasField("user_id") else None,
        slot.source if slot.HasField("source") else None,
    )


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
