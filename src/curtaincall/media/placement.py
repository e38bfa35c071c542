"""Rooms on media nodes: where the next one goes, and a MediaEngine made of all of them."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from curtaincall.kernel.clock import Clock
from curtaincall.media import wire
from curtaincall.media.journal import EventJournal
from curtaincall.media.node_link import NodeLink
from curtaincall.media.ports import (
    Grant,
    LeaseEnd,
    LeaseEnded,
    MediaError,
    MediaEvent,
    MediaFlowing,
    MeterRead,
    OpenLease,
    OpenSeat,
    RoomLost,
    Subscription,
)
from curtaincall.media.v1 import media_node_pb2 as pb
from curtaincall.settings import ClientTls

FIRST_LINE_S: Final = 3.0
"""How long the first rooms after a start wait for a node to be on the line."""

GOODBYE_S: Final = 1.0
"""How long nodes may take to close our rooms when we stop; they would go dark without it."""

PACKETS_PER_SEAT_S: Final = 150
"""What a seat is expected to cost until the node's own count shows it: a picture of 1 Mbit/s and a voice."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """What placement knows of a node. `rooms` and `seats` are those that we have placed there."""

    takes_rooms: bool
    shards: int
    rooms: int
    seats: int
    packets_per_s: float


def by_load(nodes: Sequence[NodeLoad]) -> list[int]:
    """The nodes that take rooms, by position, the one that a new room should go to first.

    A node carries what it forwards, or what its seats will make it forward, whichever is more, over its shards.
    """

    def weight(place: int) -> tuple[float, int, int]:
        node = nodes[place]
        packets = max(node.packets_per_s, float(node.seats * PACKETS_PER_SEAT_S))
        return packets / max(1, node.shards), node.rooms, place

    return sorted((place for place, node in enumerate(nodes) if node.takes_rooms), key=weight)


@dataclass(slots=True)
class _Room:
    link: NodeLink
    opened: bool = False
    seats: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Lease:
    """What was last heard of a lease whose final meter has not come."""

    link: NodeLink
    billable_us: int = 0
    epoch: int = 0


class PlacedEngine:
    """A MediaEngine whose rooms live on media nodes, each wholly on one. Made on the event loop.

    When a node is lost, so are its rooms: LeaseEnded(CLOSED) is told of each lease with the last meter that was heard,
    then RoomLost of each room, which may be placed anew.
    """

    def __init__(self, addresses: Sequence[str], tls: ClientTls, clock: Clock) -> None:
        self._clock = clock
        self._journal = EventJournal()
        self._rooms: dict[str, _Room] = {}
        self._leases: dict[tuple[str, str], _Lease] = {}
        self._gone: set[str] = set()
        """Rooms that were lost, until they are opened or closed."""
        self._links = [NodeLink(address, tls, clock, self) for address in addresses]

    # ---- commands ---------------------------------------------------------------------------------------------------

    async def open_room(self, room_id: str) -> None:
        room = self._rooms.get(room_id)
        if room is not None:
            await room.link.ask(pb.Command(open_room=pb.OpenRoom(room_id=room_id)))
            return
        await self._first_line()
        refusal = MediaError("media_unavailable", "No media node takes rooms.")
        self._gone.discard(room_id)
        for link in self._by_load():
            placed = self._rooms[room_id] = _Room(link)
            try:
                await link.ask(pb.Command(open_room=pb.OpenRoom(room_id=room_id)))
            except MediaError as error:
                refusal = error
                if self._rooms.get(room_id) is placed:
                    del self._rooms[room_id]
            else:
                placed.opened = True
                log.info("room_placed", extra={"room_id": room_id, "node": link.address})
                return
        raise refusal

    async def close_room(self, room_id: str) -> None:
        self._gone.discard(room_id)
        room = self._rooms.pop(room_id, None)
        if room is not None:
            await _leniently(room.link, pb.Command(close_room=pb.CloseRoom(room_id=room_id)))

    async def open_lease(self, command: OpenLease) -> None:
        room = self._placed(command.room_id)
        key = (command.room_id, command.lease_id)
        known = key in self._leases
        lease = self._leases.setdefault(key, _Lease(room.link))
        try:
            await room.link.ask(wire.open_lease(command))
        except MediaError:
            if not known and self._leases.get(key) is lease:
                del self._leases[key]
            raise

    def grant(self, command: Grant) -> None:
        self._post(command.room_id, wire.grant(command))

    def revoke(self, room_id: str, lease_id: str) -> None:
        self._post(room_id, pb.Command(revoke=pb.Revoke(room_id=room_id, lease_id=lease_id)))

    def close_lease(self, room_id: str, lease_id: str) -> None:
        self._post(room_id, pb.Command(close_lease=pb.CloseLease(room_id=room_id, lease_id=lease_id)))

    async def open_seat(self, command: OpenSeat) -> None:
        room = self._placed(command.room_id)
        await room.link.ask(wire.open_seat(command))
        room.seats.add(command.user_id)

    async def close_seat(self, room_id: str, user_id: str) -> None:
        room = self._rooms.get(room_id)
        if room is not None:
            room.seats.discard(user_id)
            await _leniently(room.link, pb.Command(close_seat=pb.CloseSeat(room_id=room_id, user_id=user_id)))

    def cut_seat(self, room_id: str, user_id: str) -> None:
        self._post(room_id, pb.Command(cut_seat=pb.CutSeat(room_id=room_id, user_id=user_id)))

    async def offer(self, room_id: str, user_id: str, sdp: str) -> str:
        room = self._rooms.get(room_id)
        if room is None:
            raise self._unknown(room_id, MediaError("seat_unknown", "There is no such seat."))
        return await room.link.ask(pb.Command(offer=pb.Offer(room_id=room_id, user_id=user_id, sdp=sdp)))

    async def subscribe(self, command: Subscription) -> None:
        self._post(command.room_id, wire.subscribe(command))

    # ---- events -----------------------------------------------------------------------------------------------------

    async def events(self, after: int, limit: int) -> list[MediaEvent]:
        return await self._journal.events(after, limit)

    def acknowledge(self, number: int) -> None:
        self._journal.acknowledge(number)

    @property
    def on_the_line(self) -> int:
        """How many nodes can be reached now."""
        return sum(link.attached for link in self._links)

    def stats(self) -> dict[str, int]:
        """Counters of the nodes as they were last told, summed; those of a node that was started anew begin at 0."""
        sums: Counter[str] = Counter()
        for link in self._links:
            sums.update(link.status.counters)
        return dict(sums)

    async def all_lines(self) -> None:
        """Wait until every node is on the line."""
        await asyncio.gather(*(link.ready() for link in self._links))

    async def close(self) -> None:
        closing = [self.close_room(room_id) for room_id, room in self._rooms.items() if room.link.attached]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await asyncio.gather(*closing)
        await asyncio.gather(*(link.close() for link in self._links))

    # ---- what the nodes tell ----------------------------------------------------------------------------------------

    async def has_room(self) -> None:
        await self._journal.has_room()

    def heard(self, link: NodeLink, event: MediaEvent) -> None:
        """Pass on news of what is placed there; a node may still speak of what it was told to forget."""
        if isinstance(event, MeterRead | MediaFlowing | LeaseEnded):
            key = (event.room_id, event.lease_id)
            lease = self._leases.get(key)
            if lease is None or lease.link is not link:
                return
            if not isinstance(event, MediaFlowing):
                lease.billable_us = event.billable_us
            if not isinstance(event, MeterRead):
                lease.epoch = event.epoch
            if isinstance(event, LeaseEnded) and event.cause is LeaseEnd.CLOSED:
                del self._leases[key]
        else:
            room = self._rooms.get(event.room_id)
            if room is None or room.link is not link:
                return
        self._journal.put(event, partial(link.acknowledge, link.incarnation, event.number))

    def lost(self, link: NodeLink) -> None:
        now_us = self._clock.monotonic_us()
        leases = {key: lease for key, lease in self._leases.items() if lease.link is link}
        for (room_id, lease_id), lease in leases.items():
            del self._leases[room_id, lease_id]
            self._journal.put(
                LeaseEnded(
                    number=0,
                    at_us=now_us,
                    room_id=room_id,
                    lease_id=lease_id,
                    cause=LeaseEnd.CLOSED,
                    epoch=lease.epoch,
                    billable_us=lease.billable_us,
                    deadline_us=now_us,
                    last_forward_us=0,
                    packets_after_deadline=0,
                )
            )
        rooms = {room_id: room for room_id, room in self._rooms.items() if room.link is link}
        for room_id, room in rooms.items():
            del self._rooms[room_id]
            if room.opened:
                self._gone.add(room_id)
                self._journal.put(RoomLost(number=0, at_us=now_us, room_id=room_id))
        if leases or rooms:
            log.error("media_node_lost", extra={"node": link.address, "rooms": len(rooms), "leases": len(leases)})

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _placed(self, room_id: str) -> _Room:
        room = self._rooms.get(room_id)
        if room is None:
            raise self._unknown(room_id, MediaError("room_unknown", "The room is not open."))
        return room

    def _unknown(self, room_id: str, refusal: MediaError) -> MediaError:
        """A room that was lost is refused for now only, as it is about to be placed anew."""
        return MediaError("media_unavailable", "The room's media node is gone.") if room_id in self._gone else refusal

    def _post(self, room_id: str, command: pb.Command) -> None:
        room = self._rooms.get(room_id)
        if room is not None:
            room.link.post(command)

    def _by_load(self) -> list[NodeLink]:
        seats, rooms = dict.fromkeys(self._links, 0), dict.fromkeys(self._links, 0)
        for room in self._rooms.values():
            seats[room.link] += len(room.seats)
            rooms[room.link] += 1
        loads = [
            NodeLoad(
                takes_rooms=link.attached and not link.status.draining,
                shards=link.status.shards,
                rooms=rooms[link],
                seats=seats[link],
                packets_per_s=link.packets_per_s,
            )
            for link in self._links
        ]
        return [self._links[place] for place in by_load(loads)]

    async def _first_line(self) -> None:
        """Wait for a node to be on the line, but not for long."""
        if any(link.attached for link in self._links):
            return
        waiting = [asyncio.ensure_future(link.ready()) for link in self._links]
        try:
            await asyncio.wait(waiting, timeout=FIRST_LINE_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiting:
                waiter.cancel()


async def _leniently(link: NodeLink, command: pb.Command) -> None:
    """Ask for something that is refused to nobody: where the node is gone, it is done already."""
    with contextlib.suppress(MediaError):
        await link.ask(command)
