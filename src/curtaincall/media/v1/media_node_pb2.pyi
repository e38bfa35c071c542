from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LeaseEnd(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEASE_END_UNSPECIFIED: _ClassVar[LeaseEnd]
    LEASE_END_QUOTA: _ClassVar[LeaseEnd]
    LEASE_END_LAPSED: _ClassVar[LeaseEnd]
    LEASE_END_REVOKED: _ClassVar[LeaseEnd]
    LEASE_END_CLOSED: _ClassVar[LeaseEnd]
LEASE_END_UNSPECIFIED: LeaseEnd
LEASE_END_QUOTA: LeaseEnd
LEASE_END_LAPSED: LeaseEnd
LEASE_END_REVOKED: LeaseEnd
LEASE_END_CLOSED: LeaseEnd

class AttachRequest(_message.Message):
    __slots__ = ("hello", "commands")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    commands: Commands
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., commands: _Optional[_Union[Commands, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("control_epoch", "waiting_seqs")
    CONTROL_EPOCH_FIELD_NUMBER: _ClassVar[int]
    WAITING_SEQS_FIELD_NUMBER: _ClassVar[int]
    control_epoch: int
    waiting_seqs: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, control_epoch: _Optional[int] = ..., waiting_seqs: _Optional[_Iterable[int]] = ...) -> None: ...

class Commands(_message.Message):
    __slots__ = ("commands", "acknowledged_number")
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_NUMBER_FIELD_NUMBER: _ClassVar[int]
    commands: _containers.RepeatedCompositeFieldContainer[Command]
    acknowledged_number: int
    def __init__(self, commands: _Optional[_Iterable[_Union[Command, _Mapping]]] = ..., acknowledged_number: _Optional[int] = ...) -> None: ...

class AttachResponse(_message.Message):
    __slots__ = ("attached", "outcomes", "status")
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    attached: Attached
    outcomes: Outcomes
    status: NodeStatus
    def __init__(self, attached: _Optional[_Union[Attached, _Mapping]] = ..., outcomes: _Optional[_Union[Outcomes, _Mapping]] = ..., status: _Optional[_Union[NodeStatus, _Mapping]] = ...) -> None: ...

class Attached(_message.Message):
    __slots__ = ("node_id", "taken_seq", "boot_id", "monotonic_us", "status")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    TAKEN_SEQ_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    MONOTONIC_US_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    taken_seq: int
    boot_id: str
    monotonic_us: int
    status: NodeStatus
    def __init__(self, node_id: _Optional[str] = ..., taken_seq: _Optional[int] = ..., boot_id: _Optional[str] = ..., monotonic_us: _Optional[int] = ..., status: _Optional[_Union[NodeStatus, _Mapping]] = ...) -> None: ...

class Outcomes(_message.Message):
    __slots__ = ("taken_seq", "outcomes")
    TAKEN_SEQ_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    taken_seq: int
    outcomes: _containers.RepeatedCompositeFieldContainer[Outcome]
    def __init__(self, taken_seq: _Optional[int] = ..., outcomes: _Optional[_Iterable[_Union[Outcome, _Mapping]]] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("seq", "answer", "refusal")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    seq: int
    answer: str
    refusal: Refusal
    def __init__(self, seq: _Optional[int] = ..., answer: _Optional[str] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class NodeStatus(_message.Message):
    __slots__ = ("draining", "rooms", "seats", "shards", "forwarded_packets", "counters")
    class CountersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    SEATS_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    FORWARDED_PACKETS_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    draining: bool
    rooms: int
    seats: int
    shards: int
    forwarded_packets: int
    counters: _containers.ScalarMap[str, int]
    def __init__(self, draining: _Optional[bool] = ..., rooms: _Optional[int] = ..., seats: _Optional[int] = ..., shards: _Optional[int] = ..., forwarded_packets: _Optional[int] = ..., counters: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("seq", "open_room", "close_room", "open_lease", "grant", "revoke", "close_lease", "open_seat", "close_seat", "cut_seat", "offer", "subscribe")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    OPEN_ROOM_FIELD_NUMBER: _ClassVar[int]
    CLOSE_ROOM_FIELD_NUMBER: _ClassVar[int]
    OPEN_LEASE_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    REVOKE_FIELD_NUMBER: _ClassVar[int]
    CLOSE_LEASE_FIELD_NUMBER: _ClassVar[int]
    OPEN_SEAT_FIELD_NUMBER: _ClassVar[int]
    CLOSE_SEAT_FIELD_NUMBER: _ClassVar[int]
    CUT_SEAT_FIELD_NUMBER: _ClassVar[int]
    OFFER_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    seq: int
    open_room: OpenRoom
    close_room: CloseRoom
    open_lease: OpenLease
    grant: Grant
    revoke: Revoke
    close_lease: CloseLease
    open_seat: OpenSeat
    close_seat: CloseSeat
    cut_seat: CutSeat
    offer: Offer
    subscribe: Subscribe
    def __init__(self, seq: _Optional[int] = ..., open_room: _Optional[_Union[OpenRoom, _Mapping]] = ..., close_room: _Optional[_Union[CloseRoom, _Mapping]] = ..., open_lease: _Optional[_Union[OpenLease, _Mapping]] = ..., grant: _Optional[_Union[Grant, _Mapping]] = ..., revoke: _Optional[_Union[Revoke, _Mapping]] = ..., close_lease: _Optional[_Union[CloseLease, _Mapping]] = ..., open_seat: _Optional[_Union[OpenSeat, _Mapping]] = ..., close_seat: _Optional[_Union[CloseSeat, _Mapping]] = ..., cut_seat: _Optional[_Union[CutSeat, _Mapping]] = ..., offer: _Optional[_Union[Offer, _Mapping]] = ..., subscribe: _Optional[_Union[Subscribe, _Mapping]] = ...) -> None: ...

class OpenRoom(_message.Message):
    __slots__ = ("room_id",)
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    def __init__(self, room_id: _Optional[str] = ...) -> None: ...

class CloseRoom(_message.Message):
    __slots__ = ("room_id",)
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    def __init__(self, room_id: _Optional[str] = ...) -> None: ...

class OpenLease(_message.Message):
    __slots__ = ("room_id", "lease_id", "payer_id", "payee_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_ID_FIELD_NUMBER: _ClassVar[int]
    PAYER_ID_FIELD_NUMBER: _ClassVar[int]
    PAYEE_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    lease_id: str
    payer_id: str
    payee_id: str
    def __init__(self, room_id: _Optional[str] = ..., lease_id: _Optional[str] = ..., payer_id: _Optional[str] = ..., payee_id: _Optional[str] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("room_id", "lease_id", "epoch", "seq", "granted_ms", "lease_ms")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    GRANTED_MS_FIELD_NUMBER: _ClassVar[int]
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    lease_id: str
    epoch: int
    seq: int
    granted_ms: int
    lease_ms: int
    def __init__(self, room_id: _Optional[str] = ..., lease_id: _Optional[str] = ..., epoch: _Optional[int] = ..., seq: _Optional[int] = ..., granted_ms: _Optional[int] = ..., lease_ms: _Optional[int] = ...) -> None: ...

class Revoke(_message.Message):
    __slots__ = ("room_id", "lease_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    lease_id: str
    def __init__(self, room_id: _Optional[str] = ..., lease_id: _Optional[str] = ...) -> None: ...

class CloseLease(_message.Message):
    __slots__ = ("room_id", "lease_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    lease_id: str
    def __init__(self, room_id: _Optional[str] = ..., lease_id: _Optional[str] = ...) -> None: ...

class OpenSeat(_message.Message):
    __slots__ = ("room_id", "user_id", "lease_id", "may_publish")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_ID_FIELD_NUMBER: _ClassVar[int]
    MAY_PUBLISH_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    lease_id: str
    may_publish: bool
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ..., lease_id: _Optional[str] = ..., may_publish: _Optional[bool] = ...) -> None: ...

class CloseSeat(_message.Message):
    __slots__ = ("room_id", "user_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ...) -> None: ...

class CutSeat(_message.Message):
    __slots__ = ("room_id", "user_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ...) -> None: ...

class Offer(_message.Message):
    __slots__ = ("room_id", "user_id", "sdp")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SDP_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    sdp: str
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ..., sdp: _Optional[str] = ...) -> None: ...

class Subscribe(_message.Message):
    __slots__ = ("room_id", "user_id", "source_user_id", "max_height", "priority")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_USER_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    source_user_id: str
    max_height: int
    priority: int
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ..., source_user_id: _Optional[str] = ..., max_height: _Optional[int] = ..., priority: _Optional[int] = ...) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ("after",)
    AFTER_FIELD_NUMBER: _ClassVar[int]
    after: int
    def __init__(self, after: _Optional[int] = ...) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("number", "at_us", "room_id", "tracks_changed", "transport_changed", "media_flowing", "meter_read", "lease_ended", "speaker_changed", "stats_sampled")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    TRACKS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_CHANGED_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FLOWING_FIELD_NUMBER: _ClassVar[int]
    METER_READ_FIELD_NUMBER: _ClassVar[int]
    LEASE_ENDED_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_CHANGED_FIELD_NUMBER: _ClassVar[int]
    STATS_SAMPLED_FIELD_NUMBER: _ClassVar[int]
    number: int
    at_us: int
    room_id: str
    tracks_changed: TracksChanged
    transport_changed: TransportChanged
    media_flowing: MediaFlowing
    meter_read: MeterRead
    lease_ended: LeaseEnded
    speaker_changed: SpeakerChanged
    stats_sampled: StatsSampled
    def __init__(self, number: _Optional[int] = ..., at_us: _Optional[int] = ..., room_id: _Optional[str] = ..., tracks_changed: _Optional[_Union[TracksChanged, _Mapping]] = ..., transport_changed: _Optional[_Union[TransportChanged, _Mapping]] = ..., media_flowing: _Optional[_Union[MediaFlowing, _Mapping]] = ..., meter_read: _Optional[_Union[MeterRead, _Mapping]] = ..., lease_ended: _Optional[_Union[LeaseEnded, _Mapping]] = ..., speaker_changed: _Optional[_Union[SpeakerChanged, _Mapping]] = ..., stats_sampled: _Optional[_Union[StatsSampled, _Mapping]] = ...) -> None: ...

class TracksChanged(_message.Message):
    __slots__ = ("user_id", "slots")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    slots: _containers.RepeatedCompositeFieldContainer[Slot]
    def __init__(self, user_id: _Optional[str] = ..., slots: _Optional[_Iterable[_Union[Slot, _Mapping]]] = ...) -> None: ...

class Slot(_message.Message):
    __slots__ = ("mid", "kind", "user_id", "source", "height", "paused")
    MID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    mid: str
    kind: str
    user_id: str
    source: str
    height: int
    paused: str
    def __init__(self, mid: _Optional[str] = ..., kind: _Optional[str] = ..., user_id: _Optional[str] = ..., source: _Optional[str] = ..., height: _Optional[int] = ..., paused: _Optional[str] = ...) -> None: ...

class SpeakerChanged(_message.Message):
    __slots__ = ("user_id", "speaker_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    speaker_id: str
    def __init__(self, user_id: _Optional[str] = ..., speaker_id: _Optional[str] = ...) -> None: ...

class StatsSampled(_message.Message):
    __slots__ = ("user_id", "rtt_us", "estimate_bps", "up", "down", "slots")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    RTT_US_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_BPS_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    DOWN_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    rtt_us: int
    estimate_bps: int
    up: Flow
    down: Flow
    slots: _containers.RepeatedCompositeFieldContainer[SlotStats]
    def __init__(self, user_id: _Optional[str] = ..., rtt_us: _Optional[int] = ..., estimate_bps: _Optional[int] = ..., up: _Optional[_Union[Flow, _Mapping]] = ..., down: _Optional[_Union[Flow, _Mapping]] = ..., slots: _Optional[_Iterable[_Union[SlotStats, _Mapping]]] = ...) -> None: ...

class Flow(_message.Message):
    __slots__ = ("rate_bps", "loss_permille", "jitter_us")
    RATE_BPS_FIELD_NUMBER: _ClassVar[int]
    LOSS_PERMILLE_FIELD_NUMBER: _ClassVar[int]
    JITTER_US_FIELD_NUMBER: _ClassVar[int]
    rate_bps: int
    loss_permille: int
    jitter_us: int
    def __init__(self, rate_bps: _Optional[int] = ..., loss_permille: _Optional[int] = ..., jitter_us: _Optional[int] = ...) -> None: ...

class SlotStats(_message.Message):
    __slots__ = ("mid", "height", "rate_bps", "freezes", "frozen_us")
    MID_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    RATE_BPS_FIELD_NUMBER: _ClassVar[int]
    FREEZES_FIELD_NUMBER: _ClassVar[int]
    FROZEN_US_FIELD_NUMBER: _ClassVar[int]
    mid: str
    height: int
    rate_bps: int
    freezes: int
    frozen_us: int
    def __init__(self, mid: _Optional[str] = ..., height: _Optional[int] = ..., rate_bps: _Optional[int] = ..., freezes: _Optional[int] = ..., frozen_us: _Optional[int] = ...) -> None: ...

class TransportChanged(_message.Message):
    __slots__ = ("user_id", "connected")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    connected: bool
    def __init__(self, user_id: _Optional[str] = ..., connected: _Optional[bool] = ...) -> None: ...

class MediaFlowing(_message.Message):
    __slots__ = ("lease_id", "epoch")
    LEASE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    lease_id: str
    epoch: int
    def __init__(self, lease_id: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class MeterRead(_message.Message):
    __slots__ = ("lease_id", "billable_us", "running")
    LEASE_ID_FIELD_NUMBER: _ClassVar[int]
    BILLABLE_US_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    lease_id: str
    billable_us: int
    running: bool
    def __init__(self, lease_id: _Optional[str] = ..., billable_us: _Optional[int] = ..., running: _Optional[bool] = ...) -> None: ...

class LeaseEnded(_message.Message):
    __slots__ = ("lease_id", "cause", "epoch", "billable_us", "deadline_us", "last_forward_us", "packets_after_deadline")
    LEASE_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    BILLABLE_US_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    LAST_FORWARD_US_FIELD_NUMBER: _ClassVar[int]
    PACKETS_AFTER_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    lease_id: str
    cause: LeaseEnd
    epoch: int
    billable_us: int
    deadline_us: int
    last_forward_us: int
    packets_after_deadline: int
    def __init__(self, lease_id: _Optional[str] = ..., cause: _Optional[_Union[LeaseEnd, str]] = ..., epoch: _Optional[int] = ..., billable_us: _Optional[int] = ..., deadline_us: _Optional[int] = ..., last_forward_us: _Optional[int] = ..., packets_after_deadline: _Optional[int] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("status", "node_id", "attached")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    status: NodeStatus
    node_id: str
    attached: bool
    def __init__(self, status: _Optional[_Union[NodeStatus, _Mapping]] = ..., node_id: _Optional[str] = ..., attached: _Optional[bool] = ...) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ("draining",)
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    draining: bool
    def __init__(self, draining: _Optional[bool] = ...) -> None: ...

class DrainResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: NodeStatus
    def __init__(self, status: _Optional[_Union[NodeStatus, _Mapping]] = ...) -> None: ...
