"""The control plane's end of the line to one media node: commands are posted or asked, and survive a broken line."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable
from typing import Any, Final, Protocol

import grpc

from curtaincall.kernel.clock import Clock
from curtaincall.media import wire
from curtaincall.media.channel import open_channel
from curtaincall.media.node import STATUS_EVERY_S, boot_id
from curtaincall.media.ports import MediaError, MediaEvent
from curtaincall.media.v1 import media_node_pb2 as pb
from curtaincall.media.v1.media_node_pb2_grpc import MediaNodeServiceStub
from curtaincall.settings import ClientTls

HELLO_S: Final = 3.0
"""How long the answer to a hello may take."""

SILENT_S: Final = 3 * STATUS_EVERY_S
"""A node that says nothing for so long, not even its status, is not on the line any more."""

LOST_AFTER_S: Final = 5.0
"""A node that was away for so long is given up: its paid streams are dark by now, as no lease is longer."""

RETRY_S: Final = 0.2
"""Between two attempts to reach a node."""

MAX_UNCONFIRMED: Final = 65_536
"""Commands that a node may owe a receipt for; one that owes more is given up, and its streams lapse."""

MAX_ASKED: Final = 1_024
"""Commands whose outcome may be waited for; more are refused."""

BATCH: Final = 64
"""Commands in one message: so many offers still fit into it."""

log = logging.getLogger(__name__)


class NodeListener(Protocol):
    """Who hears what a link has to tell."""

    async def has_room(self) -> None:
        """Wait until further events may be told."""
        ...

    def heard(self, link: "NodeLink", event: MediaEvent) -> None: ...

    def lost(self, link: "NodeLink") -> None:
        """Everything on the node is gone, or will never be asked for again."""
        ...


class NodeLink:
    """One node, reached again and again until `close`. Made on the event loop.

    While the line is broken, commands wait for it; grants do not, as a grant that comes late would be counted from
    then. The node is *lost* when it has been started anew, or was away for `LOST_AFTER_S`: what is waited for fails
    then, the rest is forgotten, and the next line begins an epoch in which the node has nothing of the one before.
    """

    def __init__(self, address: str, tls: ClientTls, clock: Clock, listener: NodeListener) -> None:
        self.address = address
        self.status = pb.NodeStatus()
        self.packets_per_s = 0.0
        """Media packets that the node forwards, between its last two reports."""
        self._clock = clock
        self._listener = listener
        self._channel = open_channel(address, tls)
        self._stub: Any = MediaNodeServiceStub(self._channel)
        self._epoch = clock.now_ms()
        self._node_id = ""
        self._incarnation = 0
        self._ahead_us = 0
        self._seq = 0
        self._unsent: deque[pb.Command] = deque()
        self._unconfirmed: dict[int, pb.Command] = {}
        self._asked: dict[int, asyncio.Future[str]] = {}
        self._acknowledged = 0
        self._heard = 0
        self._work = asyncio.Event()
        self._attached = asyncio.Event()
        self._give_up = asyncio.Event()
        self._superseded = False
        self._away: asyncio.TimerHandle | None = None
        self._running = asyncio.get_running_loop().create_task(self._run(), name=f"media-node {address}")

    @property
    def attached(self) -> bool:
        return self._attached.is_set()

    async def ready(self) -> None:
        """Wait until the node is on the line."""
        await self._attached.wait()

    def post(self, command: pb.Command) -> None:
        """Have a command carried out, after those before it. Does not wait."""
        if self.attached or not command.HasField("grant"):
            self._enqueue(command)

    async def ask(self, command: pb.Command) -> str:
        """As `post`, and wait for the outcome: the SDP answer of an offer, else empty. Raises MediaError."""
        if self._superseded:
            raise MediaError("media_unavailable", "The media node is another control plane's.")
        if len(self._asked) >= MAX_ASKED or not self._enqueue(command):
            raise MediaError("media_overloaded", "The media node is asked too much.")
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[command.seq] = answer
        try:
            return await answer
        finally:
            self._asked.pop(command.seq, None)

    def acknowledge(self, incarnation: int, number: int) -> None:
        """Have the node forget events up to `number`, if it is still the one that told them."""
        if incarnation == self._incarnation and number > self._acknowledged:
            self._acknowledged = number
            self._work.set()

    @property
    def incarnation(self) -> int:
        """Counts the starts of the node that were seen."""
        return self._incarnation

    async def close(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        if self._away is not None:
            self._away.cancel()
        self._fail_asked()
        await self._channel.close()

    def _enqueue(self, command: pb.Command) -> bool:
        """Returns whether it will be carried out. A node that does not keep up is given up: its streams lapse."""
        if len(self._unconfirmed) >= MAX_UNCONFIRMED:
            log.error("media_node_too_slow", extra={"node": self.address})
            self._lose()
            return False
        self._seq += 1
        command.seq = self._seq
        self._unconfirmed[self._seq] = command
        self._unsent.append(command)
        self._work.set()
        return True

    # ---- the line ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        self._await_return()
        while not self._superseded:
            try:
                await self._live()
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError, ConnectionError) as error:
                self._note_broken(error)
            except asyncio.CancelledError as error:
                # gRPC tells so of a call that the other side cancelled, too.
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                self._note_broken(error)
            except Exception:
                log.exception("media_node_line_failed", extra={"node": self.address})
            await asyncio.sleep(RETRY_S)
        # What is asked of it from now on is refused; its rooms are somebody else's.
        self._lose()

    async def _live(self) -> None:
        """One line, from hello to its end, which is always an error."""
        call = self._stub.Attach()
        try:
            async with asyncio.timeout(HELLO_S):
                hello = pb.Hello(control_epoch=self._epoch, waiting_seqs=list(self._asked))
                await call.write(pb.AttachRequest(hello=hello))
                first = await call.read()
            if first is grpc.aio.EOF:
                raise ConnectionError("The line ended.")
            self._attach(first.attached)
            await _first_to_end(self._write(call), self._read(call), self._watch(), self._given_up())
        finally:
            call.cancel()
            self._detach()

    def _attach(self, attached: pb.Attached) -> None:
        if self._node_id and attached.node_id != self._node_id:
            log.error("media_node_restarted", extra={"node": self.address})
            self._node_id = ""
            self._lose()
            raise ConnectionError("The next hello has to be of the new epoch.")
        if attached.node_id != self._node_id:
            self._incarnation += 1
            self._heard = self._acknowledged = 0
        self._node_id = attached.node_id
        same_clock = attached.boot_id == boot_id() and attached.boot_id
        self._ahead_us = 0 if same_clock else attached.monotonic_us - self._clock.monotonic_us()
        self._confirm(attached.taken_seq)
        self._unsent = deque(self._unconfirmed.values())
        self._work.set()
        self.status, self.packets_per_s = attached.status, 0.0
        if self._away is not None:
            self._away.cancel()
            self._away = None
        self._give_up.clear()
        self._attached.set()
        log.info("media_node_attached", extra={"node": self.address, "epoch": self._epoch})

    def _detach(self) -> None:
        self._attached.clear()
        self._unsent.clear()
        for seq in [seq for seq, command in self._unconfirmed.items() if command.HasField("grant")]:
            del self._unconfirmed[seq]
        self._await_return()

    def _await_return(self) -> None:
        if self._away is None:
            self._away = asyncio.get_running_loop().call_later(LOST_AFTER_S, self._lose)

    def _lose(self) -> None:
        """Give up what was on the node."""
        self._attached.clear()
        self._give_up.set()
        if self._away is not None:
            self._away.cancel()
            self._away = None
        self._epoch = max(self._clock.now_ms(), self._epoch + 1)
        self._unsent.clear()
        self._unconfirmed.clear()
        self._fail_asked()
        self._listener.lost(self)

    def _fail_asked(self) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(MediaError("media_unavailable", "The media node is gone."))

    def _note_broken(self, error: BaseException) -> None:
        code = error.code() if isinstance(error, grpc.aio.AioRpcError) else None
        if code in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED):
            log.critical("media_node_superseded", extra={"node": self.address})
            self._superseded = True
        elif self._node_id or code is not grpc.StatusCode.UNAVAILABLE:
            reason = code.name if code else type(error).__name__
            log.warning("media_node_line_broken", extra={"node": self.address, "reason": reason})

    async def _given_up(self) -> None:
        await self._give_up.wait()
        raise ConnectionError("The node was given up.")

    # ---- what goes over it ------------------------------------------------------------------------------------------

    async def _write(self, call: Any) -> None:
        told = 0
        while True:
            await self._work.wait()
            self._work.clear()
            while self._unsent or self._acknowledged > told:
                batch = [self._unsent.popleft() for _ in range(min(BATCH, len(self._unsent)))]
                told = self._acknowledged
                await call.write(pb.AttachRequest(commands=pb.Commands(commands=batch, acknowledged_number=told)))

    async def _read(self, call: Any) -> None:
        while True:
            async with asyncio.timeout(SILENT_S):
                message = await call.read()
            if message is grpc.aio.EOF:
                raise ConnectionError("The line ended.")
            match message.WhichOneof("message"):
                case "outcomes":
                    self._confirm(message.outcomes.taken_seq)
                    for outcome in message.outcomes.outcomes:
                        self._settle(outcome)
                case "status":
                    self._note_status(message.status)

    async def _watch(self) -> None:
        call = self._stub.WatchEvents(pb.WatchEventsRequest(after=self._heard))
        try:
            async for batch in call:
                for message in batch.events:
                    self._heard = message.number
                    event = wire.event_of(message, self._ahead_us)
                    if event is not None:
                        self._listener.heard(self, event)
                await self._listener.has_room()
            raise ConnectionError("The events ended.")
        finally:
            call.cancel()

    def _confirm(self, taken_seq: int) -> None:
        while self._unconfirmed and (first := next(iter(self._unconfirmed))) <= taken_seq:
            del self._unconfirmed[first]

    def _settle(self, outcome: pb.Outcome) -> None:
        answer = self._asked.get(outcome.seq)
        if answer is None or answer.done():
            return
        if outcome.HasField("refusal"):
            answer.set_exception(MediaError(outcome.refusal.code, outcome.refusal.message))
        else:
            answer.set_result(outcome.answer)

    def _note_status(self, status: pb.NodeStatus) -> None:
        forwarded = status.forwarded_packets - self.status.forwarded_packets
        self.packets_per_s = max(0, forwarded) / STATUS_EVERY_S
        self.status = status


async def _first_to_end(*work: Awaitable[None]) -> None:
    """Run all until one ends; raise what ended it."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.cancelled():
                raise ConnectionError("The call was cancelled.")
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            await asyncio.gather(*tasks, return_exceptions=True)
