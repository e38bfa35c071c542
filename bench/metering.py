"""What metering costs: `make bench-metering`.

So many calls at once (10,000) in one process on one core: the real charging, write executor and SQLite with fsync; only
the media engine is simulated. Each call renews its quota every 30 s (used time posted, the next slice held, in one
commit) and its lease every 2 s (its meter made durable first), for two minutes. Late is a quota renewed more than a
second after it was to be asked for, or a lease extended more than a second after it was to be.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from bench.report import ROOT, Report
from bench.simulated_media import SimulatedMedia
from curtaincall.charging.model import ChargingSettings
from curtaincall.charging.rates import Rates
from curtaincall.charging.service import ChargingService
from curtaincall.charging.verify import verify_sessions
from curtaincall.enforcement.leases import LeaseKeeper
from curtaincall.kernel import interpreter
from curtaincall.kernel.clock import SystemClock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import uuid7
from curtaincall.ledger.model import Leg, Purpose, Transfer, gateway_clearing, wallet
from curtaincall.ledger.service import Ledger
from curtaincall.ledger.verify import verify
from curtaincall.media.pump import MediaEventPump
from curtaincall.observability.metrics import Metrics
from curtaincall.storage.database import migrate, open_database
from curtaincall.storage.executor import WriteExecutor

CALLS = int(os.environ.get("CALLS", "10000"))
SECONDS = int(os.environ.get("SECONDS", "120"))
CREATORS = 500
STARTS_AT_ONCE = 32
RAMP_S = float(os.environ.get("RAMP_S", "60"))
RENEW_EVERY_S = 2.0
LATE_MS = 1_000
FUNDS_MINOR = 100_000
PRICE_PER_MINUTE_MINOR = 300


class NoRooms:
    """The lease keeper also looks after rooms; here are none."""

    def renew_unpaid_leases(self) -> None: ...

    async def sweep(self) -> None: ...


class World:
    """Charging with everything below it, and the loops of enforcement."""

    def __init__(self, folder: Path) -> None:
        self.settings = ChargingSettings()
        self.database = open_database(folder)
        migrate(self.database)
        self.clock, self.bus = SystemClock(), EventBus()
        self.executor = WriteExecutor(self.database)
        self.ledger = Ledger(self.clock, self.new_id)
        self.media = SimulatedMedia(self.settings.ask_early_ms * 1_000)
        self.charging = ChargingService(self.executor, self.ledger, self.media, self.clock, self.bus, self.settings)
        self.keeper = LeaseKeeper(self.charging, NoRooms(), self.bus, self.clock, Metrics(), RENEW_EVERY_S)

    def new_id(self) -> str:
        return uuid7(self.clock.now_ms())

    async def fund(self) -> None:
        for number in range(CREATORS):
            await self.charging.set_rates(f"star-{number}", Rates(PRICE_PER_MINUTE_MINOR, "EUR"))
        for begin in range(0, CALLS, 1_000):
            await asyncio.gather(*(self._pay_in(f"fan-{number}") for number in range(begin, min(begin + 1_000, CALLS))))

    async def _pay_in(self, fan: str) -> None:
        leg = Leg(gateway_clearing("bench", "EUR"), wallet(fan, "EUR"), FUNDS_MINOR)
        await self.executor.submit(self.ledger.transfer, Transfer(f"pay-in:{fan}", Purpose.TOP_UP, fan, (leg,)))

    async def start_calls(self) -> None:
        """Spread over the ramp, so that renewals are spread as well."""
        turns = asyncio.Semaphore(STARTS_AT_ONCE)
        began = time.monotonic()

        async def start(number: int) -> None:
            async with turns:
                await self._call(number)

        async with asyncio.TaskGroup() as starting:
            for number in range(CALLS):
                await asyncio.sleep(max(0.0, began + RAMP_S * number / CALLS - time.monotonic()))
                starting.create_task(start(number))

    async def _call(self, number: int) -> None:
        fan, star, call = f"fan-{number}", f"star-{number % CREATORS}", f"call-{number}"
        await self.charging.request(session_id=call, room_id=f"room-{number}", payer_id=fan, payee_id=star)
        await self.charging.accept(call)
        await self.charging.joined(call, fan)
        await self.charging.joined(call, star)

    async def close(self) -> None:
        await self.executor.close()
        self.database.close()


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


async def measure(folder: Path) -> bool:
    world = World(folder)
    await world.fund()
    pump = asyncio.create_task(MediaEventPump(world.media, world.bus).run())
    world.keeper.start()
    before_bytes = resident_bytes()
    print(f"{CALLS} calls begin within {RAMP_S:.0f} s ...", flush=True)
    await world.start_calls()
    await asyncio.sleep(2 * RENEW_EVERY_S)
    per_call_bytes = (resident_bytes() - before_bytes) / CALLS

    print(f"{CALLS} calls run, {SECONDS} s are measured ...", flush=True)
    world.media.measuring = True
    cpu_s, began = time.process_time(), time.monotonic()
    await asyncio.sleep(SECONDS)
    cpu_share = (time.process_time() - cpu_s) / (time.monotonic() - began)
    world.media.measuring = False

    await world.keeper.stop()
    pump.cancel()
    held = sum(1 for number in range(CALLS) if world.charging.session_in_room(f"room-{number}") is not None)
    books = await world.executor.read(verify)
    problems = (*books.problems, *await world.executor.read(verify_sessions))
    await world.close()
    return report(world.media, held, per_call_bytes, cpu_share, problems)


def report(
    media: SimulatedMedia, alive: int, per_call_bytes: float, cpu_share: float, problems: tuple[str, ...]
) -> bool:
    leases_ms = [max(0.0, gap_us / 1_000 - RENEW_EVERY_S * 1_000) for gap_us in media.lease_gaps_us]
    quotas_ms = [late_us / 1_000 for late_us in media.asked_late_us]
    late = sum(1 for late_ms in (*leases_ms, *quotas_ms) if late_ms > LATE_MS)
    sustained = alive if late == 0 and media.dark == 0 and not problems else 0
    figures = Report("metering")
    figures.value("metering_calls_per_core", "calls", sustained, f">= {CALLS}")
    figures.value("metering_late_renewals", "count", late + media.dark, "0")
    figures.distribution("quota_renewal_after_due", "ms", quotas_ms, "< 1000")
    figures.distribution("lease_renewal_after_due", "ms", leases_ms, "< 1000")
    figures.value("memory_per_call", "KiB", round(per_call_bytes / 1_024, 1))
    figures.value("cpu_share_of_core", "%", round(100 * cpu_share, 1))
    figures.finish()
    for problem in problems[:10]:
        print(problem)
    return sustained == CALLS


def main() -> None:
    interpreter.tune()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before there are threads: they all inherit it
    folder = ROOT / "build" / "bench"  # a real disk: there may be no fsync to speak of elsewhere
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="metering-") as data,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,  # as `serve` has it
    ):
        sustained = runner.run(measure(Path(data)))
    sys.exit(0 if sustained else 1)


if __name__ == "__main__":
    main()
