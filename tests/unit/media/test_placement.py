"""Where the next room goes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from curtaincall.media.placement import PACKETS_PER_SEAT_S, NodeLoad, by_load

IDLE = NodeLoad(takes_rooms=True, shards=1, rooms=0, seats=0, packets_per_s=0.0)

LOADS = st.builds(
    NodeLoad,
    takes_rooms=st.booleans(),
    shards=st.integers(0, 64),
    rooms=st.integers(0, 1_000),
    seats=st.integers(0, 20_000),
    packets_per_s=st.floats(0, 1e7),
)


def test_the_node_that_forwards_least_comes_first() -> None:
    assert by_load([replace(IDLE, packets_per_s=900.0), IDLE, replace(IDLE, packets_per_s=100.0)]) == [1, 2, 0]


def test_seats_count_before_they_forward() -> None:
    joined = replace(IDLE, seats=10, rooms=1)
    assert by_load([joined, replace(IDLE, packets_per_s=PACKETS_PER_SEAT_S * 9.0)]) == [1, 0]


def test_rooms_without_anybody_are_spread_too() -> None:
    assert by_load([replace(IDLE, rooms=2), replace(IDLE, rooms=1)]) == [1, 0]


def test_a_node_with_more_shards_carries_more() -> None:
    assert by_load([replace(IDLE, seats=10), replace(IDLE, seats=30, shards=4)]) == [1, 0]


@given(st.lists(LOADS, max_size=8))
def test_every_node_that_takes_rooms_is_named_once_and_no_other(nodes: list[NodeLoad]) -> None:
    order = by_load(nodes)
    assert sorted(order) == [place for place, node in enumerate(nodes) if node.takes_rooms]


@given(st.integers(1, 8), st.integers(1, 400))
def test_rooms_of_one_size_end_up_spread_evenly(count: int, rooms: int) -> None:
    nodes = [IDLE] * count
    for _ in range(rooms):
        first = by_load(nodes)[0]
        nodes[first] = replace(nodes[first], rooms=nodes[first].rooms + 1, seats=nodes[first].seats + 2)
    assert max(node.rooms for node in nodes) - min(node.rooms for node in nodes) <= 1
