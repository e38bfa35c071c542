"""A paid session: its states, what can happen to it, and what must be done about it. Pure data, no I/O.

The vocabulary is RFC 8506's: granted and used units, validity, final unit. Times ending in `_us` are CLOCK_MONOTONIC.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from enum import StrEnum
from operator import attrgetter
from typing import Final

from curtaincall.charging.tariff import Books, QuotaRules, Settlement, Tariff, reach_ms
from curtaincall.payments.ports import DisputeState

__all__ = ["Books", "QuotaRules", "Settlement", "Tariff"]


class SessionState(StrEnum):
    REQUESTED = "REQUESTED"
    AUTHORIZING = "AUTHORIZING"
    CONNECTING = "CONNECTING"
    ACTIVE = "ACTIVE"
    RENEWING = "RENEWING"
    FINAL = "FINAL"
    PAUSED = "PAUSED"
    ENDING = "ENDING"
    SETTLED = "SETTLED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    # Of settled sessions whose money the card holder wants back:
    DISPUTED = "DISPUTED"
    WON = "WON"
    LOST = "LOST"


CHARGED: Final = frozenset({SessionState.SETTLED, SessionState.DISPUTED, SessionState.WON, SessionState.LOST})
"""The settlement is made."""

OVER: Final = CHARGED | {SessionState.REJECTED, SessionState.CANCELLED}
"""Nothing happens to a session any more, but that its payment may be disputed."""

DELIVERING: Final = frozenset({SessionState.ACTIVE, SessionState.RENEWING, SessionState.FINAL})
"""Media flows, or would if the creator sent any."""

LIVE: Final = DELIVERING | {SessionState.PAUSED}
"""Media has flowed: the end is a settlement, not a cancellation."""


class EndReason(StrEnum):
    PAYMENT_FAILED = "PAYMENT_FAILED"
    TIME_EXPIRED = "TIME_EXPIRED"
    HOST_ENDED = "HOST_ENDED"
    PAYER_ENDED = "PAYER_ENDED"
    ADMIN_TERMINATED = "ADMIN_TERMINATED"
    CONNECTION_LOST = "CONNECTION_LOST"
    # Of sessions that never were live:
    DECLINED = "DECLINED"
    CANCELLED = "CANCELLED"
    RING_TIMEOUT = "RING_TIMEOUT"
    PAYMENT_REQUIRED = "PAYMENT_REQUIRED"


MINIMUM_APPLIES: Final = frozenset({EndReason.PAYER_ENDED, EndReason.TIME_EXPIRED})
"""After any other end, only what was delivered is charged."""


def disputed_state(disputes: Collection[DisputeState]) -> SessionState:
    """The state of a settled session over whose payment there have been these disputes: the worst of them."""
    for dispute, state in (
        (DisputeState.OPENED, SessionState.DISPUTED),
        (DisputeState.LOST, SessionState.LOST),
        (DisputeState.WON, SessionState.WON),
    ):
        if dispute in disputes:
            return state
    return SessionState.SETTLED


class PaymentFailurePolicy(StrEnum):
    """What becomes of a running session when the gateway declines to charge the payer's card."""

    IMMEDIATE = "immediate"
    """It ends at once, and quota that is not used is voided: nobody pays for darkness."""
    AT_PAID_UNTIL = "at_paid_until"
    """It is not renewed, and ends when the paid time does."""


@dataclass(frozen=True, slots=True)
class ChargingSettings:
    """The figures of the design page, as settings. Milliseconds unless the name says otherwise."""

    currency: str = "EUR"
    fee_bp: int = 2_000
    default_increment_ms: int = 1_000
    default_minimum_ms: int = 60_000
    quota: QuotaRules = field(default_factory=QuotaRules)
    lease_ms: int = 5_000
    """How long media goes on without a renewal."""
    ask_early_ms: int = 15_000
    """A renewal is asked for when no more than this is left."""
    ask_again_ms: int = 1_000
    """Pause before a renewal or a settlement that the database did not answer is tried again."""
    ring_ms: int = 60_000
    connect_ms: int = 30_000
    pause_ms: int = 30_000
    final_meter_ms: int = 2_000
    """How long the settlement waits for the SFU's last reading."""
    low_balance_s: tuple[int, ...] = (60, 10)
    max_sessions: int = 20_000
    """The most sessions that may be open at a time."""
    payment_failure_policy: PaymentFailurePolicy = PaymentFailurePolicy.IMMEDIATE


@dataclass(frozen=True, slots=True)
class Seat:
    """One side of the call: in the room by signaling, and not known to have lost its media transport."""

    signaled: bool = False
    transport_lost: bool = False

    @property
    def present(self) -> bool:
        return self.signaled and not self.transport_lost


@dataclass(frozen=True, slots=True)
class PaidSession:
    """Everything the state machine knows about a session."""

    session_id: str
    room_id: str
    payer_id: str
    payee_id: str
    tariff: Tariff
    settings: ChargingSettings
    created_at_ms: int
    state: SessionState = SessionState.REQUESTED
    deadline_us: int | None = None
    """When the state's own timer ends it, or what is to be tried again is."""
    books: Books = field(default_factory=Books)
    available_minor: int = 0
    """What the wallet had left when last seen: what more it buys."""
    lease_opened: bool = False
    """The SFU knows the lease."""
    epoch: int = 0
    flowing: bool = False
    """Packets are granted under `epoch`: renewals go on."""
    payer: Seat = field(default_factory=Seat)
    payee: Seat = field(default_factory=Seat)
    meter_runs: bool = False
    metered_at_us: int = 0
    ask_not_before_us: int = 0
    credited_meanwhile: bool = False
    """Money came in while a renewal was being answered, perhaps from before."""
    warned_s: frozenset[int] = frozenset()
    """Thresholds of low balance that the payer was told about."""
    end_reason: EndReason | None = None
    ended_by: str | None = None
    """Who of the two asked for the end, where the reason does not say it."""
    unlocking: bool = False
    """The payer is paying to skip the ring: the answer to that is under way."""
    renewals_stopped: bool = False
    """The gateway declined a charge of the payer's card: nothing is renewed until money comes in."""
    settling: bool = False
    settlement: Settlement | None = None

    def used_estimate_ms(self, now_us: int) -> int:
        """The last reading carried on to now; never beyond the grant."""
        if not self.meter_runs:
            return self.books.used_ms
        since_ms = max(0, now_us - self.metered_at_us) // 1_000
        return min(self.books.granted_ms, self.books.used_ms + since_ms)

    def left_ms(self, now_us: int) -> int:
        """What is left of the grant."""
        return self.books.granted_ms - self.used_estimate_ms(now_us)

    def seconds_left(self, now_us: int) -> int:
        """What is left of the grant and what the wallet still buys, in whole seconds."""
        return max(0, self.reach_ms - self.used_estimate_ms(now_us)) // 1_000

    @property
    def reach_ms(self) -> int:
        """How far the session comes on the grant and on what the wallet still buys."""
        return reach_ms(self.tariff, self.settings.quota, self.books, self.available_minor)


_FIELDS: Final = tuple(field.name for field in fields(PaidSession))
_values_of: Final = attrgetter(*_FIELDS)
_BOOKS, _METER_RUNS, _METERED_AT = (_FIELDS.index(name) for name in ("books", "meter_runs", "metered_at_us"))


def with_reading(session: PaidSession, used_ms: int, runs: bool, now_us: int) -> PaidSession:
    """`dataclasses.replace`, for what happens to every session every second: that costs four times as much."""
    old = session.books
    values = list(_values_of(session))
    values[_BOOKS] = Books(old.granted_ms, used_ms, old.hold_number, old.held_minor, old.posted_minor)
    values[_METER_RUNS] = runs
    values[_METERED_AT] = now_us
    return PaidSession(*values)


# ---- what can happen ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accepted:
    """The creator takes the call."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The creator does not."""


@dataclass(frozen=True, slots=True)
class Unlocked:
    """The payer pays for not having to wait until the creator takes the call."""


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    """The first hold is committed. `included_ms` is what the payer's subscription includes of this session."""

    books: Books
    available_minor: int
    included_ms: int = 0


@dataclass(frozen=True, slots=True)
class HoldRefused:
    """The wallet does not cover the minimum."""


@dataclass(frozen=True, slots=True)
class HoldUnanswered:
    """Nothing was held or charged: the database did not answer, or the wallet does not cover the unlock as well."""


@dataclass(frozen=True, slots=True)
class LeaseOpened:
    """The SFU knows the lease, and forwards nothing under it yet."""


@dataclass(frozen=True, slots=True)
class SeatJoined:
    user_id: str


@dataclass(frozen=True, slots=True)
class SeatLeft:
    user_id: str


@dataclass(frozen=True, slots=True)
class TransportUp:
    user_id: str


@dataclass(frozen=True, slots=True)
class TransportDown:
    user_id: str


@dataclass(frozen=True, slots=True)
class MediaReached:
    """The creator's media reached the payer under this epoch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Metered:
    """The SFU's cumulative reading."""

    used_ms: int
    running: bool


@dataclass(frozen=True, slots=True)
class QuotaSpent:
    """The SFU stopped the stream because the grant it knew was used up."""

    used_ms: int


@dataclass(frozen=True, slots=True)
class LeaseClosed:
    """The SFU closed the lease: this is its final reading."""

    used_ms: int


@dataclass(frozen=True, slots=True)
class MeterOverdue:
    """Nobody waits for the final reading any longer."""


@dataclass(frozen=True, slots=True)
class RenewalPlaced:
    """Used time is posted and the next hold is committed. `included_ms`, unless None, is what is included now."""

    books: Books
    available_minor: int
    included_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RenewalRefused:
    """The wallet does not buy a single increment more."""

    available_minor: int


@dataclass(frozen=True, slots=True)
class RenewalUnanswered:
    """The database did not answer; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Credited:
    """A top-up of the payer's wallet is committed."""

    amount_minor: int


@dataclass(frozen=True, slots=True)
class PaymentDeclined:
    """The gateway declined to charge the payer's card for this session."""


@dataclass(frozen=True, slots=True)
class DisputeOpened:
    """The payer wants money back that was paid into the wallet."""


@dataclass(frozen=True, slots=True)
class EndRequested:
    """Somebody, or something, ends the session. `asked_by`: the one of the two who did, if the reason is not theirs."""

    reason: EndReason
    asked_by: str | None = None


@dataclass(frozen=True, slots=True)
class SettlementRecorded:
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class HoldVoided:
    """The hold of a cancelled session is back in the wallet."""


@dataclass(frozen=True, slots=True)
class ClosingUnanswered:
    """The database did not answer a settlement or a void: it is tried again."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went by."""


Event = (
    Accepted
    | Declined
    | Unlocked
    | HoldPlaced
    | HoldRefused
    | HoldUnanswered
    | LeaseOpened
    | SeatJoined
    | SeatLeft
    | TransportUp
    | TransportDown
    | MediaReached
    | Metered
    | QuotaSpent
    | LeaseClosed
    | MeterOverdue
    | RenewalPlaced
    | RenewalRefused
    | RenewalUnanswered
    | Credited
    | PaymentDeclined
    | DisputeOpened
    | EndRequested
    | SettlementRecorded
    | HoldVoided
    | ClosingUnanswered
    | Tick
)
