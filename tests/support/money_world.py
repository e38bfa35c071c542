"""The whole money side on virtual time and a real database: two people, a call, and time that goes on when told."""

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path

from curtaincall.charging.events import LowBalance, SessionChanged, SessionEnding, SessionSettled
from curtaincall.charging.model import ChargingSettings, EndReason
from curtaincall.charging.ports import AutoRecharge
from curtaincall.charging.rates import Rates
from curtaincall.charging.service import ChargingService
from curtaincall.charging.verify import verify_sessions
from curtaincall.charging.views import Receipt, SessionView
from curtaincall.kernel.events import EventBus
from curtaincall.ledger.service import Ledger
from curtaincall.ledger.verify import Report, verify
from curtaincall.payments.cards import CardPayments
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.model import Wallet
from curtaincall.payments.sandbox import SandboxGateway
from curtaincall.payments.service import WalletService
from curtaincall.storage.database import Database, migrate, open_database
from curtaincall.storage.executor import WriteExecutor
from support.virtual_clock import VirtualClock
from support.virtual_media import VirtualMedia

FAN = "fan"
STAR = "star"
TICK_MS = 250
RENEW_EVERY_MS = 2_000


@dataclass(slots=True)
class MoneyWorld:
    """Everything below rooms, with the loops of enforcement turned by hand."""

    database: Database
    clock: VirtualClock = field(default_factory=VirtualClock)
    settings: ChargingSettings = field(default_factory=ChargingSettings)
    news: list[object] = field(default_factory=list)
    since_renewal_ms: int = 0
    renewals_fail: bool = False
    recharge: AutoRecharge | None = None
    gateways_are_slow: bool = False

    bus: EventBus = field(init=False)
    media: VirtualMedia = field(init=False)
    executor: WriteExecutor = field(init=False)
    ledger: Ledger = field(init=False)
    gateways: Gateways = field(init=False)
    cards: CardPayments = field(init=False)
    wallets: WalletService = field(init=False)
    charging: ChargingService = field(init=False)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.boot()

    @classmethod
    def open(cls, directory: Path, database_url: str = "") -> "MoneyWorld":
        database = open_database(directory, database_url)
        migrate(database)
        return cls(database)

    def boot(self) -> None:
        """Put the services together: anew after a crash, on the same database."""
        self.bus = EventBus()
        self.media = self.new_media()
        self.executor = WriteExecutor(self.database)
        self.ledger = Ledger(self.clock, self.new_id)
        gateway = SandboxGateway(self.executor, self.clock, self.new_id)
        self.gateways = gateways = Gateways({"sandbox": gateway})
        self.cards = CardPayments(self.executor, self.ledger, gateways, self.clock, self.new_id, self.bus, "EUR")
        self.wallets = WalletService(self.executor, self.ledger, gateways, self.cards, self.clock, self.new_id, "EUR")
        self.charging = ChargingService(
            self.executor, self.ledger, self.media, self.clock, self.bus, self.settings, self.recharge
        )
        for kind in (SessionChanged, LowBalance, SessionEnding, SessionSettled):
            self.bus.subscribe(kind, self._heard)

    async def crash(self) -> None:
        """Lose everything in memory; what was committed remains. Then start again."""
        await self.executor.close()
        self.boot()
        await self.charging.start()

    async def restart_with(self, **settings: object) -> None:
        """Start again under other settings of charging."""
        self.settings = replace(self.settings, **settings)  # type: ignore[arg-type]
        await self.crash()

    async def close(self) -> None:
        """Whatever a test did, the books and the sessions are in order at its end."""
        assert (await self.books()).problems == ()
        assert await self.executor.read(verify_sessions) == ()
        await self.executor.close()
        self.database.close()

    def new_media(self) -> VirtualMedia:
        return VirtualMedia(self.clock)

    def new_id(self) -> str:
        return f"id-{next(self.numbers)}"

    async def _heard(self, event: object) -> None:
        self.news.append(event)

    def told(self, kind: type) -> list[object]:
        return [event for event in self.news if isinstance(event, kind)]

    # ---- people -----------------------------------------------------------------------------------------------------

    async def pay_in(self, amount_minor: int, user_id: str = FAN) -> None:
        method = await self.wallets.add_payment_method(user_id, "sandbox", "pm_card_visa")
        top_up = await self.wallets.top_up(user_id, amount_minor, "EUR", method.payment_method_id, self.new_id())
        assert top_up.status == "succeeded"

    async def wallet(self, user_id: str = FAN) -> Wallet:
        return await self.wallets.wallet(user_id)

    async def priced(self, price_per_minute_minor: int = 300, **rates: int) -> None:
        await self.charging.set_rates(STAR, Rates(price_per_minute_minor, "EUR", **rates))

    async def ring(self, session_id: str = "call") -> SessionView:
        room_id = f"room-{session_id}"
        await self.media.open_room(room_id)
        return await self.charging.request(session_id=session_id, room_id=room_id, payer_id=FAN, payee_id=STAR)

    async def call(self, session_id: str = "call") -> None:
        """A call in which both are seated and media flows."""
        await self.ring(session_id)
        await self.charging.accept(session_id)
        await self.charging.joined(session_id, FAN)
        await self.charging.joined(session_id, STAR)

    async def end(self, reason: EndReason, session_id: str = "call") -> Receipt:
        """End a call as the media pump and the timers see it through."""
        self.charging.revoke(session_id, reason)
        await self.hear_media()
        await self.charging.end(session_id, reason)
        return await self.charging.receipt(session_id)

    # ---- time -------------------------------------------------------------------------------------------------------

    async def hear_media(self) -> None:
        """What the pump does: publish each event, then acknowledge it; until there are none and all is told."""
        while events := await self.media.events(0, 1_000):
            for event in events:
                await self.bus.publish(event)
            self.media.acknowledge(events[-1].number)
            await self.charging.quiesce()
        await self.charging.quiesce()

    async def run(self, duration_ms: int) -> None:
        """Let time go on, with ticks, renewals and media events as in a running server."""
        while duration_ms > 0:
            step_ms = min(TICK_MS, duration_ms)
            duration_ms -= step_ms
            self.media.elapse(step_ms * 1_000)
            await self.hear_media()
            await self.charging.tick()
            if not self.gateways_are_slow:
                await self.charging.recharged()
            self.since_renewal_ms += step_ms
            if self.since_renewal_ms >= RENEW_EVERY_MS:
                self.since_renewal_ms = 0
                if not self.renewals_fail:
                    await self.charging.renew_leases()
            await self.hear_media()

    # ---- what is true -----------------------------------------------------------------------------------------------

    async def session(self, session_id: str = "call") -> SessionView:
        return await self.charging.session(session_id)

    async def books(self) -> Report:
        return await self.executor.read(verify)
