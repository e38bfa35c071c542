"""How much money moves in a second: `make bench-ledger`.

A pair is a hold on a fan's wallet and its post to a creator, each a command of its own, acknowledged after its commit
(fsync on), as in a paid call that renews. The platform's fee is a second leg of the post, and is not counted. The pairs
go through the server's own write executor and ledger, in one process:

- by 1, 16 and 64 clients at a time, each of which waits for its commit before it sends the next command;
- *spread* over many fans and creators, or *hot*: many fans who all pay one creator;
- on SQLite, and on PostgreSQL (Debian's, on a temporary data directory, reached by a Unix socket).

Afterwards the books must balance to the last unit.
"""

import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvloop

from bench.report import Report
from curtaincall.kernel.clock import SystemClock
from curtaincall.kernel.ids import uuid7
from curtaincall.ledger.model import (
    Account,
    Hold,
    Leg,
    Post,
    Purpose,
    Share,
    Transfer,
    creator_pending,
    gateway_clearing,
    platform_fee,
    wallet,
)
from curtaincall.ledger.service import Ledger
from curtaincall.ledger.verify import verify
from curtaincall.storage.database import Database, migrate, open_database
from curtaincall.storage.executor import WriteExecutor
from support.postgres import Cluster

SECONDS: Final = float(os.environ.get("SECONDS_EACH", "5"))
WARM_UP_S: Final = 1.0
CLIENTS: Final = (1, 16, 64)
FANS: Final = 1_000
CREATORS: Final = 200
HELD_MINOR: Final = 300
CREATOR_MINOR: Final = 240
FEE_MINOR: Final = 60
PAID_IN_MINOR: Final = 10**9
GOALS: Final = {
    "sqlite_spread": ">= 4000",
    "sqlite_hot": ">= 4000",
    "postgres_spread": ">= 1500",
    "postgres_hot": ">= 1000",
}


@dataclass
class Load:
    """The clients of one measurement."""

    name: str
    executor: WriteExecutor
    ledger: Ledger
    creators: int
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    pairs: int = 0
    latencies_ms: list[float] = field(default_factory=list)

    async def client(self, fans: Iterator[int], until: float) -> None:
        """One pair after another, each for the next of the client's own fans (a fan is in one call at a time)."""
        house = platform_fee("EUR")
        for fan in fans:
            if time.perf_counter() >= until:
                return
            number = next(self.numbers)
            payee = creator_pending(f"creator-{number % self.creators}", "EUR")
            key, ref = f"{self.name}:{number}", f"call-{self.name}-{number}"
            started = time.perf_counter()
            hold = Hold(f"hold:{key}", Purpose.CALL, ref, wallet(f"fan-{fan}", "EUR"), payee, HELD_MINOR)
            await self.executor.submit(self.ledger.hold, hold)
            post = Post(f"post:{key}", hold.key, (Share(payee, CREATOR_MINOR), Share(house, FEE_MINOR)))
            await self.executor.submit(self.ledger.post, post)
            self.latencies_ms.append((time.perf_counter() - started) * 1000)
            self.pairs += 1

    async def run(self, clients: int, seconds: float) -> float:
        """Returns the pairs per second."""
        started = time.perf_counter()
        own_fans = [itertools.cycle(range(number, FANS, clients)) for number in range(clients)]
        await asyncio.gather(*(self.client(fans, started + seconds) for fans in own_fans))
        return self.pairs / (time.perf_counter() - started)


async def pay_in(executor: WriteExecutor, ledger: Ledger) -> None:
    """Every fan has enough for the whole measurement."""

    def top_up(fan: int) -> Transfer:
        leg = Leg(gateway_clearing("sandbox", "EUR"), Account.of_id(f"wallet:EUR:fan-{fan}"), PAID_IN_MINOR)
        return Transfer(f"top-up:{fan}", Purpose.TOP_UP, f"top-up-{fan}", (leg,))

    await asyncio.gather(*(executor.submit(ledger.transfer, top_up(fan)) for fan in range(FANS)))


async def measure(database: Database, name: str, report: Report) -> None:
    """All the figures of one database."""
    clock = SystemClock()
    ledger = Ledger(clock, lambda: uuid7(clock.now_ms()))
    executor = WriteExecutor(database)
    await pay_in(executor, ledger)
    for spread, creators in (("spread", CREATORS), ("hot", 1)):
        await Load(f"{spread}-warm-up", executor, ledger, creators).run(CLIENTS[-1], WARM_UP_S)
        for clients in CLIENTS:
            load = Load(f"{spread}-{clients}", executor, ledger, creators)
            pairs_per_s = round(await load.run(clients, SECONDS))
            figure = f"{name}_{spread}"
            if clients == CLIENTS[-1]:
                report.value(f"{figure}_pairs_per_s", "pairs/s", pairs_per_s, GOALS[figure])
                report.distribution(f"{figure}_pair_ms", "ms", load.latencies_ms)
            else:
                report.value(f"{figure}_{clients}_client{'s' if clients > 1 else ''}", "pairs/s", pairs_per_s)
            print(f"  {figure}, {clients} at a time: {pairs_per_s} pairs/s", flush=True)
    books = await executor.read(verify)
    assert books.ok, books.problems
    assert books.held_minor == 0, books
    await executor.close()


async def main() -> int:
    report = Report("ledger")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="curtaincall-bench-")))
        wanted = os.environ.get("DATABASES", "sqlite postgres").split()
        if "sqlite" in wanted:
            await on_database(folder, "", "sqlite", report)
        if "postgres" in wanted:
            await on_database(folder, stack.enter_context(Cluster.start()).fresh(), "postgres", report)
    report.finish()
    return 0


async def on_database(folder: Path, url: str, name: str, report: Report) -> None:
    database = open_database(folder, url)
    try:
        migrate(database)
        await measure(database, name, report)
    finally:
        database.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main()))
