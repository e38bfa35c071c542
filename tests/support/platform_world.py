"""Everything above money and below the wire, on virtual time: people, rooms, calls, enforcement and connections."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from curtaincall.accounts.blocks import Blocks
from curtaincall.accounts.model import Role, User
from curtaincall.accounts.passwords import Passwords
from curtaincall.accounts.service import AccountRules, AccountsService, Registration
from curtaincall.accounts.tokens import Tokens
from curtaincall.backoffice.service import Backoffice
from curtaincall.charging.rates import Rates
from curtaincall.enforcement.service import PaymentEnforcementService
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.media.ports import Grant, OpenLease, OpenSeat
from curtaincall.observability.metrics import Metrics
from curtaincall.payments.disputes import Disputes
from curtaincall.payments.payouts import Payouts
from curtaincall.payments.refunds import Refunds
from curtaincall.purchases.model import PurchaseRules
from curtaincall.purchases.service import PurchasesService
from curtaincall.purchases.till import Till
from curtaincall.rooms.calls import CallRequested, PrivateCalls
from curtaincall.rooms.events import ParticipantJoined, ParticipantLeft, PresenceChanged, RoomClosed
from curtaincall.rooms.losses import RoomLosses
from curtaincall.rooms.model import NewRoom, Room, RoomKind
from curtaincall.rooms.presence import Presence
from curtaincall.rooms.purchases import RoomPurchases
from curtaincall.rooms.service import RoomRules, RoomsService
from curtaincall.statements.service import Statements
from curtaincall.storage.database import migrate, open_database
from curtaincall.subscriptions.model import SubscriptionRules
from curtaincall.subscriptions.service import SubscriptionsService
from support.money_world import MoneyWorld
from support.virtual_media import VirtualMedia

GRACE_US = 10_000_000
PASSWORD = "correct horse battery staple"


@dataclass(slots=True)
class SeatedMedia(VirtualMedia):
    """Adds what rooms do to the engine of the money side: seats, and leases without a quota."""

    said: list[str] = field(default_factory=list)
    seats: dict[tuple[str, str], str] = field(default_factory=dict)
    publishers: set[tuple[str, str]] = field(default_factory=set)
    cut: set[tuple[str, str]] = field(default_factory=set)
    unpaid: dict[str, int] = field(default_factory=dict)
    """Newest `seq` of each lease without a quota."""
    while_opening: Callable[[], None] | None = None
    """What happens elsewhere while the engine opens a lease."""

    async def open_lease(self, command: OpenLease) -> None:
        if self.while_opening is not None:
            self.while_opening()
        await VirtualMedia.open_lease(self, command)

    def grant(self, command: Grant) -> None:
        if command.granted_ms is None:
            self.unpaid[command.lease_id] = command.seq
        else:
            VirtualMedia.grant(self, command)

    def revoke(self, room_id: str, lease_id: str) -> None:
        self.said.append(f"revoke {lease_id}")
        self.unpaid.pop(lease_id, None)
        VirtualMedia.revoke(self, room_id, lease_id)

    def close_lease(self, room_id: str, lease_id: str) -> None:
        self.unpaid.pop(lease_id, None)
        VirtualMedia.close_lease(self, room_id, lease_id)

    async def open_seat(self, command: OpenSeat) -> None:
        self.seats[command.room_id, command.user_id] = command.lease_id
        if command.may_publish:
            self.publishers.add((command.room_id, command.user_id))

    async def close_seat(self, room_id: str, user_id: str) -> None:
        self.seats.pop((room_id, user_id), None)

    def cut_seat(self, room_id: str, user_id: str) -> None:
        self.said.append(f"cut {user_id}")
        self.cut.add((room_id, user_id))


@dataclass(slots=True)
class Line:
    """A connection that writes down what it is told, in one list with what the engine is told."""

    user_id: str
    said: list[str]
    messages: list[Mapping[str, object]] = field(default_factory=list)
    terminated: tuple[str, str | None] | None = None
    dismissed: CurtaincallError | None = None

    def send(self, message: Mapping[str, object]) -> None:
        self.messages.append(message)

    def terminate(self, reason: str, redirect_url: str | None) -> None:
        self.said.append(f"tell {self.user_id} {reason}")
        if self.terminated is None:
            self.terminated = (reason, redirect_url)

    def dismiss(self, reason: CurtaincallError) -> None:
        self.said.append(f"dismiss {self.user_id}")
        self.dismissed = reason


class PlatformWorld(MoneyWorld):
    """The money side with people in rooms above it."""

    media: SeatedMedia

    @classmethod
    def open(cls, directory: Path, database_url: str = "") -> "PlatformWorld":
        database = open_database(directory, database_url)
        migrate(database)
        return cls(database)

    def boot(self) -> None:
        MoneyWorld.boot(self)
        self.tokens = Tokens(Ed25519PrivateKey.generate(), self.clock, self.new_id)
        self.passwords = Passwords(threads=1)
        rules = AccountRules(access_ttl_s=900, refresh_ttl_s=86_400, minimum_age_years=18)
        self.accounts = AccountsService(self.executor, self.passwords, self.tokens, self.clock, self.new_id, rules)
        room_rules = RoomRules(max_participants=20, reconnect_grace_us=GRACE_US, unpaid_lease_ms=5_000)
        purchase_rules = PurchaseRules("EUR", fee_bp=2_000)
        till = Till(self.ledger, purchase_rules)
        self.purchases = PurchasesService(self.executor, self.ledger, self.clock, self.new_id, self.bus, purchase_rules)
        self.subscriptions = SubscriptionsService(
            self.executor, self.ledger, self.cards, self.clock, self.new_id, self.bus, SubscriptionRules()
        )
        self.rooms = RoomsService(
            self.executor, self.media, self.charging, self.bus, self.clock, self.new_id, room_rules, till
        )
        self.room_purchases = RoomPurchases(
            self.executor, self.rooms, self.purchases, till, self.bus, self.clock, self.new_id
        )
        self.blocks = Blocks(self.executor, self.bus, self.clock, self.new_id)
        self.presence = Presence(self.bus)
        self.calls = PrivateCalls(
            self.executor,
            self.accounts,
            self.blocks,
            self.rooms,
            self.charging,
            self.presence,
            self.bus,
            self.clock,
            self.new_id,
        )
        RoomLosses(self.rooms, self.charging, self.bus)
        self.enforcement = PaymentEnforcementService(self.rooms, self.charging, self.bus, Metrics())
        self.statements = Statements(self.executor, self.clock, "EUR")
        money = (self.executor, self.ledger, self.gateways)
        self.refunds = Refunds(*money, self.clock, self.new_id, self.bus)
        self.disputes = Disputes(*money, self.cards, self.clock, self.new_id, self.bus)
        self.payouts = Payouts(*money, self.clock, self.new_id, self.bus, "EUR", release_after_days=0)
        self.backoffice = Backoffice(
            self.executor,
            self.ledger,
            self.accounts,
            self.statements,
            self.refunds,
            self.payouts,
            self.disputes,
            self.subscriptions,
            self.bus,
            self.clock,
            self.new_id,
            "EUR",
        )
        for kind in (ParticipantJoined, ParticipantLeft, RoomClosed, PresenceChanged, CallRequested):
            self.bus.subscribe(kind, self._heard)

    def new_media(self) -> SeatedMedia:
        return SeatedMedia(self.clock)

    async def crash(self) -> None:
        self.passwords.close()
        await MoneyWorld.crash(self)
        await self.accounts.start()
        await self.rooms.start()

    async def close(self) -> None:
        self.passwords.close()
        await MoneyWorld.close(self)

    # ---- people -----------------------------------------------------------------------------------------------------

    async def person(self, name: str, role: Role = Role.FAN) -> User:
        registration = Registration(f"{name}@example.org", PASSWORD, name.title(), role, date(1990, 1, 31))
        return await self.accounts.register(registration)

    async def fan(self, name: str = "fan", balance_minor: int = 1_000) -> User:
        fan = await self.person(name)
        if balance_minor:
            await self.pay_in(balance_minor, fan.user_id)
        return fan

    async def creator(self, name: str = "star", price_per_minute_minor: int = 300) -> User:
        creator = await self.person(name, Role.CREATOR)
        await self.charging.set_rates(creator.user_id, Rates(price_per_minute_minor, "EUR"))
        return creator

    # ---- rooms ------------------------------------------------------------------------------------------------------

    async def conference(self, room_id: str = "room", capacity: int | None = None) -> Room:
        return await self.rooms.create(NewRoom(RoomKind.CONFERENCE, room_id, None, None, capacity))

    def line(self, room_id: str, user_id: str) -> Line:
        """Connect a user to a room, without taking a seat."""
        line = Line(user_id, self.media.said)
        self.enforcement.register_connection(room_id, user_id, line)
        return line

    async def join(self, room_id: str, user_id: str) -> Line:
        """Take a seat and connect, as the signaling does."""
        await self.rooms.take_seat(room_id, user_id, user_id.title())
        return self.line(room_id, user_id)

    async def live_call(self, of: str = "") -> "LiveCall":
        """A paid call in which media flows; `of` tells the people of one from those of another."""
        fan, creator = await self.fan(f"fan{of}"), await self.creator(f"star{of}")
        view = await self.calls.request(fan.user_id, creator.user_id)
        await self.calls.accept(view.session_id, creator.user_id)
        creator_line = await self.join(view.room_id, creator.user_id)
        fan_line = await self.join(view.room_id, fan.user_id)
        await self.run(1_000)
        return LiveCall(view.session_id, view.room_id, fan, creator, fan_line, creator_line)


@dataclass(frozen=True, slots=True)
class LiveCall:
    call_id: str
    room_id: str
    fan: User
    creator: User
    fan_line: Line
    creator_line: Line
