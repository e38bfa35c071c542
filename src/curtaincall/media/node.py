"""A media node: an engine commanded over a line that may break. What carries the line is no matter here."""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.media import wire
from curtaincall.media.ports import MediaEngine, MediaError, MediaEvent
from curtaincall.media.v1 import media_node_pb2 as pb

STATUS_EVERY_S: Final = 1.0
"""How often a control plane hears that the node is alive, and what it carries."""

ABANDONED_AFTER_S: Final = 60.0
"""Without a control plane for so long, the rooms are closed. Dark they are since their leases lapsed."""

MAX_OUTCOMES: Final = 4_096
"""Outcomes kept for a line that broke before it told them: above what a control plane waits for at a time."""

MAX_LEASE_MS: Final = 60_000
MAX_GRANTED_MS: Final = 1 << 50
"""Durations beyond these are cut down to them: no control plane of ours grants as much."""

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger(__name__)


class Superseded(CurtaincallError):
    """A control plane of a higher epoch has taken the node over."""

    code = "superseded"


class NodeStops(CurtaincallError):
    """The node is being stopped; another one may be there in a moment."""

    code = "shutting_down"


class CountingEngine(MediaEngine, Protocol):
    """An engine that says what it carries: `rooms`, `seats`, `media_forwarded`."""

    @property
    def ports(self) -> list[int]: ...

    def stats(self) -> dict[str, int]: ...


class Line:
    """What the control plane on the line is to be told; it ends when another one takes the node over."""

    def __init__(self, attached: pb.Attached) -> None:
        self.attached = attached
        self._taken_seq = 0
        self._outcomes: list[pb.Outcome] = []
        self._news = asyncio.Event()
        self._over: Superseded | NodeStops | None = None

    def tell(self, *outcomes: pb.Outcome, taken_seq: int = 0) -> None:
        self._outcomes += outcomes
        self._taken_seq = max(self._taken_seq, taken_seq)
        self._news.set()

    def end(self, reason: Superseded | NodeStops) -> None:
        self._over = reason
        self._news.set()

    async def next(self) -> pb.Outcomes | None:
        """What became of commands since the last time; None after `STATUS_EVERY_S` of silence.

        Raises what the line was ended with: Superseded, NodeStops.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STATUS_EVERY_S):
                await self._news.wait()
        if self._over is not None:
            raise self._over
        if not self._news.is_set():
            return None
        self._news.clear()
        outcomes, self._outcomes = self._outcomes, []
        return pb.Outcomes(taken_seq=self._taken_seq, outcomes=outcomes)


class MediaNode:
    """Carries out commands once and in order, whoever's line they come over, and keeps what it could not tell."""

    def __init__(self, engine: CountingEngine, clock: Clock, node_id: str) -> None:
        self.node_id = node_id
        self._engine = engine
        self._clock = clock
        self._turn = asyncio.Lock()
        self._line: Line | None = None
        self._epoch = 0
        self._taken_seq = 0
        self._outcomes: OrderedDict[int, pb.Outcome] = OrderedDict()
        self._offers: set[asyncio.Task[None]] = set()
        self._rooms: set[str] = set()
        self._draining = False
        self._abandonment: asyncio.Task[None] | None = None

    @property
    def attached(self) -> bool:
        return self._line is not None

    def status(self) -> pb.NodeStatus:
        """What the node carries; counts of seats and packets are up to a second old."""
        stats = self._engine.stats()
        return pb.NodeStatus(
            draining=self._draining,
            rooms=len(self._rooms),
            seats=stats["seats"],
            shards=len(self._engine.ports),
            forwarded_packets=stats["media_forwarded"],
            counters=stats,
        )

    def drain(self, draining: bool) -> None:
        """Take no new rooms from now on, or take them again."""
        self._draining = draining
        log.info("node_draining" if draining else "node_taking_rooms", extra={"rooms": len(self._rooms)})
        if self._line is not None:
            self._line.tell()

    # ---- the line ---------------------------------------------------------------------------------------------------

    async def attach(self, hello: pb.Hello) -> Line:
        """Take a control plane on; whoever was on the line before is off it. Raises Superseded."""
        async with self._turn:
            if hello.control_epoch < max(self._epoch, 1):
                raise Superseded("A newer control plane has taken this node over.")
            if self._line is not None:
                self._line.end(Superseded("Another control plane has taken this node over."))
            if self._abandonment is not None:
                self._abandonment.cancel()
                self._abandonment = None
            if hello.control_epoch > self._epoch:
                await self._begin(hello.control_epoch)
            self._line = Line(
                pb.Attached(
                    node_id=self.node_id,
                    taken_seq=self._taken_seq,
                    boot_id=boot_id(),
                    monotonic_us=self._clock.monotonic_us(),
                    status=self.status(),
                )
            )
            known = [self._outcomes[seq] for seq in hello.waiting_seqs if seq in self._outcomes]
            if known:
                self._line.tell(*known)
            log.info("control_plane_attached", extra={"epoch": self._epoch, "rooms": len(self._rooms)})
            return self._line

    def detach(self, line: Line) -> None:
        """The line is gone. Leases lapse by themselves, if nobody comes back."""
        if line is not self._line:
            return
        self._line = None
        self._abandonment = asyncio.get_running_loop().create_task(self._abandon(), name="node-abandoned")
        log.info("control_plane_detached", extra={"epoch": self._epoch, "rooms": len(self._rooms)})

    async def take(self, line: Line, commands: pb.Commands) -> None:
        """Carry out what has not been carried out yet. Raises Superseded if the line is another's by now."""
        async with self._turn:
            if line is not self._line:
                raise Superseded("Another control plane has taken this node over.")
            for command in commands.commands:
                if command.seq > self._taken_seq:
                    self._taken_seq = command.seq
                    await self._carry_out(command)
            line.tell(taken_seq=self._taken_seq)
            if commands.acknowledged_number:
                self._engine.acknowledge(commands.acknowledged_number)

    async def events(self, after: int, limit: int) -> list[MediaEvent]:
        return await self._engine.events(after, limit)

    async def close(self) -> None:
        """End the line and the engine: what was on the node is gone."""
        if self._line is not None:
            self._line.end(NodeStops("The media node stops."))
        for task in (*self._offers, *([self._abandonment] if self._abandonment else [])):
            task.cancel()
        await self._engine.close()

    # ---- commands ---------------------------------------------------------------------------------------------------

    async def _begin(self, epoch: int) -> None:
        """A new epoch: nothing of the one before goes on."""
        await self._close_rooms()
        self._epoch, self._taken_seq = epoch, 0
        self._outcomes.clear()

    async def _abandon(self) -> None:
        await asyncio.sleep(ABANDONED_AFTER_S)
        async with self._turn:
            log.warning("node_abandoned", extra={"rooms": len(self._rooms)})
            await self._close_rooms()

    async def _close_rooms(self) -> None:
        for room_id in tuple(self._rooms):
            await self._engine.close_room(room_id)
        self._rooms.clear()

    async def _carry_out(self, command: pb.Command) -> None:
        kind = command.WhichOneof("what")
        if kind == "offer":
            task = asyncio.get_running_loop().create_task(self._offer(command.seq, command.offer), name="node-offer")
            self._offers.add(task)
            task.add_done_callback(self._offers.discard)
            return
        try:
            if self._post(kind, command):
                return
            await self._perform(kind, command)
        except Exception as error:
            self._tell(_refused(command.seq, error))
        else:
            self._tell(pb.Outcome(seq=command.seq))

    def _post(self, kind: str | None, command: pb.Command) -> bool:
        """Pass on a command that nobody waits for. Returns whether it is one."""
        match kind:
            case "grant":
                asked = wire.granted(command.grant)
                quota_ms = None if asked.granted_ms is None else min(asked.granted_ms, MAX_GRANTED_MS)
                self._engine.grant(replace(asked, granted_ms=quota_ms, lease_ms=min(asked.lease_ms, MAX_LEASE_MS)))
            case "revoke":
                self._engine.revoke(command.revoke.room_id, command.revoke.lease_id)
            case "close_lease":
                self._engine.close_lease(command.close_lease.room_id, command.close_lease.lease_id)
            case "cut_seat":
                self._engine.cut_seat(command.cut_seat.room_id, command.cut_seat.user_id)
            case _:
                return False
        return True

    async def _perform(self, kind: str | None, command: pb.Command) -> None:
        match kind:
            case "open_room":
                await self._open_room(command.open_room.room_id)
            case "close_room":
                await self._engine.close_room(command.close_room.room_id)
                self._rooms.discard(command.close_room.room_id)
            case "open_lease":
                await self._engine.open_lease(wire.opened_lease(command.open_lease))
            case "open_seat":
                await self._engine.open_seat(wire.opened_seat(command.open_seat))
            case "close_seat":
                await self._engine.close_seat(command.close_seat.room_id, command.close_seat.user_id)
            case "subscribe":
                await self._engine.subscribe(wire.subscribed(command.subscribe))
            case _:
                raise MediaError("media_unavailable", "The media node is older than this command.")

    async def _open_room(self, room_id: str) -> None:
        if self._draining and room_id not in self._rooms:
            raise MediaError("media_overloaded", "The media node takes no new rooms.")
        await self._engine.open_room(room_id)
        self._rooms.add(room_id)

    async def _offer(self, seq: int, offer: pb.Offer) -> None:
        epoch = self._epoch
        try:
            outcome = pb.Outcome(seq=seq, answer=await self._engine.offer(offer.room_id, offer.user_id, offer.sdp))
        except Exception as error:
            outcome = _refused(seq, error)
        if epoch == self._epoch:  # in another one, the number is another command's
            self._tell(outcome)

    def _tell(self, outcome: pb.Outcome) -> None:
        self._outcomes[outcome.seq] = outcome
        while len(self._outcomes) > MAX_OUTCOMES:
            self._outcomes.popitem(last=False)
        if self._line is not None:
            self._line.tell(outcome)


def boot_id() -> str:
    """Which start of which machine this is; empty where the system does not say."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _refused(seq: int, error: Exception) -> pb.Outcome:
    if not isinstance(error, MediaError):
        log.error("node_command_failed", exc_info=error)
        error = MediaError("media_unavailable", "The media node failed.")
    return pb.Outcome(seq=seq, refusal=pb.Refusal(code=error.refusal, message=error.message))
