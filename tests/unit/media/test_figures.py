"""What a Prometheus server reads of everybody's links."""

from prometheus_client import CollectorRegistry

from curtaincall.kernel.events import EventBus
from curtaincall.media.figures import LinkFigures
from curtaincall.media.ports import Flow, StatsSampled

LOSSY, UNKNOWN = Flow(1_000_000, 40, 12_000), Flow(0, None, None)


async def test_each_sample_counts_in_the_direction_that_it_is_of() -> None:
    registry, bus = CollectorRegistry(), EventBus()
    LinkFigures(registry, bus)
    await bus.publish(StatsSampled(1, 10, "room", "fan", 80_000, 2_500_000, UNKNOWN, LOSSY, ()))
    await bus.publish(StatsSampled(2, 11, "room", "star", None, None, LOSSY, UNKNOWN, ()))

    def count(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"curtaincall_link_{name}", labels)

    assert count("rtt_seconds_count") == count("estimate_bits_per_second_count") == 1
    assert count("rtt_seconds_sum") == 0.08
    for direction in ("up", "down"):
        assert count("loss_ratio_count", direction=direction) == 1
        assert count("loss_ratio_bucket", direction=direction, le="0.03") == 0
        assert count("loss_ratio_bucket", direction=direction, le="0.05") == 1
        assert count("jitter_seconds_sum", direction=direction) == 0.012


async def test_nobody_is_named() -> None:
    registry, bus = CollectorRegistry(), EventBus()
    LinkFigures(registry, bus)
    await bus.publish(StatsSampled(1, 10, "room", "fan", 80_000, 2_500_000, LOSSY, LOSSY, ()))
    labels = {value for metric in registry.collect() for sample in metric.samples for value in sample.labels.values()}
    assert not labels & {"fan", "room"}
