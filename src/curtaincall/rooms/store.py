"""Tables and SQL of rooms. Functions take the open transaction."""

import json
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Integer, String, Table, Text, insert, select, update
from sqlalchemy.engine import Row

from curtaincall.rooms.errors import RoomEnded, RoomExists
from curtaincall.rooms.model import RoomKind, RoomRecord
from curtaincall.storage.schema import metadata

rooms = Table(
    "rooms",
    metadata,
    Column("room_id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("title", String(120), nullable=True),
    Column("host_id", String(64), nullable=True),
    Column("call_id", String(64), nullable=True, unique=True),
    Column("payer_id", String(64), nullable=True),
    Column("max_participants", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger, nullable=True, index=True),
    Column("end_reason", String(32), nullable=True),
    Column("entry_fee_minor", BigInteger, nullable=True),
    Column("hd_pass_minor", BigInteger, nullable=True),
    Column("players", Text, nullable=True),
)

room_removals = Table(
    "room_removals",
    metadata,
    Column("room_id", String(64), ForeignKey("rooms.room_id"), primary_key=True),
    Column("user_id", String(64), primary_key=True),
    Column("reason", String(32), nullable=False),
    Column("removed_at_ms", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Ending:
    room_id: str
    reason: str
    now_ms: int
    pot_returned: bool = False
    """Of a battle: everybody has their entry back."""


@dataclass(frozen=True, slots=True)
class Removal:
    room_id: str
    user_id: str
    reason: str
    now_ms: int


def add(tx: Connection, record: RoomRecord) -> None:
    """Raises RoomExists."""
    if find(tx, record.room_id) is not None:
        raise RoomExists("There is or was a room with this id.")
    tx.execute(
        insert(rooms).values(
            room_id=record.room_id,
            kind=record.kind.value,
            title=record.title,
            host_id=record.host_id,
            call_id=record.call_id,
            payer_id=record.payer_id,
            max_participants=record.max_participants,
            created_at_ms=record.created_at_ms,
            entry_fee_minor=record.entry_fee_minor,
            hd_pass_minor=record.hd_pass_minor,
            players=json.dumps(record.players) if record.players else None,
        )
    )


def lock_open(tx: Connection, room_id: str) -> None:
    """Make sure that the room is open, and stays so until the transaction ends. Raises RoomEnded."""
    query = select(rooms.c.ended_at_ms).where(rooms.c.room_id == room_id).with_for_update(read=True)
    row = tx.execute(query).one_or_none()
    if row is None or row.ended_at_ms is not None:
        raise RoomEnded("This room has ended.")


def find(tx: Connection, room_id: str) -> RoomRecord | None:
    row = tx.execute(select(rooms).where(rooms.c.room_id == room_id)).first()
    return None if row is None else _record(row)


def find_by_call(tx: Connection, call_id: str) -> RoomRecord | None:
    row = tx.execute(select(rooms).where(rooms.c.call_id == call_id)).first()
    return None if row is None else _record(row)


def open_rooms(tx: Connection, limit: int) -> list[RoomRecord]:
    query = select(rooms).where(rooms.c.ended_at_ms.is_(None)).order_by(rooms.c.created_at_ms).limit(limit)
    return [_record(row) for row in tx.execute(query)]


def removals(tx: Connection, room_id: str) -> dict[str, str]:
    """Who was removed from the room, and why."""
    query = select(room_removals.c.user_id, room_removals.c.reason).where(room_removals.c.room_id == room_id)
    return {row.user_id: row.reason for row in tx.execute(query)}


def end(tx: Connection, command: Ending) -> bool:
    """Mark a room as ended. The first reason stays. Returns whether it was open."""
    result = tx.execute(
        update(rooms)
        .where(rooms.c.room_id == command.room_id, rooms.c.ended_at_ms.is_(None))
        .values(ended_at_ms=command.now_ms, end_reason=command.reason)
    )
    return result.rowcount == 1


def remove(tx: Connection, command: Removal) -> None:
    """Remember a removal. The first reason stays."""
    if command.user_id in removals(tx, command.room_id):
        return
    tx.execute(
        insert(room_removals).values(
            room_id=command.room_id,
            user_id=command.user_id,
            reason=command.reason,
            removed_at_ms=command.now_ms,
        )
    )


def _record(row: Row[tuple[object, ...]]) -> RoomRecord:
    return RoomRecord(
        room_id=row.room_id,
        kind=RoomKind(row.kind),
        title=row.title,
        host_id=row.host_id,
        call_id=row.call_id,
        payer_id=row.payer_id,
        max_participants=row.max_participants,
        created_at_ms=row.created_at_ms,
        ended_at_ms=row.ended_at_ms,
        end_reason=row.end_reason,
        entry_fee_minor=row.entry_fee_minor,
        hd_pass_minor=row.hd_pass_minor,
        players=() if row.players is None else tuple(json.loads(row.players)),
    )
