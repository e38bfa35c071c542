"""Events of several nodes under one numbering."""

import asyncio

from curtaincall.media import journal
from curtaincall.media.journal import EventJournal
from curtaincall.media.ports import MediaEvent, RoomLost


def lost(room_id: str, number: int = 77) -> MediaEvent:
    return RoomLost(number=number, at_us=5, room_id=room_id)


async def test_events_get_numbers_of_the_journals_own_and_are_kept_until_acknowledged() -> None:
    kept = EventJournal()
    for room in ("one", "two", "three"):
        kept.put(lost(room))
    told = await kept.events(0, 2)
    assert [(event.number, event.room_id) for event in told] == [(1, "one"), (2, "two")]
    assert [event.room_id for event in await kept.events(1, 10)] == ["two", "three"]
    kept.acknowledge(2)
    assert [event.number for event in await kept.events(0, 10)] == [3]


async def test_a_source_is_told_in_order_what_it_may_forget() -> None:
    kept, forgotten = EventJournal(), []
    for number in (4, 9):
        kept.put(lost("room", number), lambda number=number: forgotten.append(number))
    kept.put(lost("room"))
    kept.acknowledge(1)
    assert forgotten == [4]
    kept.acknowledge(3)
    assert forgotten == [4, 9]


async def test_all_who_wait_hear_the_next_event() -> None:
    kept = EventJournal()
    waiting = [asyncio.create_task(kept.events(0, 10)) for _ in range(2)]
    await asyncio.sleep(0)
    kept.put(lost("room"))
    assert [[event.number for event in await task] for task in waiting] == [[1], [1]]
    kept.acknowledge(1)
    later = asyncio.create_task(kept.events(0, 10))
    await asyncio.sleep(0)
    kept.put(lost("next"))
    assert [event.number for event in await later] == [2]


async def test_sources_wait_while_nobody_acknowledges() -> None:
    kept = EventJournal()
    for _ in range(journal.MAX_UNACKNOWLEDGED):
        kept.put(lost("room"))
    waiting = asyncio.create_task(kept.has_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    kept.acknowledge(1)
    await waiting
