"""Figures of everybody's links for `/metrics`: how good they are, never whose."""

from prometheus_client import CollectorRegistry, Histogram

from curtaincall.kernel.events import EventBus
from curtaincall.media.ports import Flow, StatsSampled

UP, DOWN = "up", "down"


class LinkFigures:
    """Counts each sample of each link; `up` is what clients send."""

    def __init__(self, registry: CollectorRegistry, bus: EventBus) -> None:
        self._rtt = Histogram(
            "curtaincall_link_rtt_seconds",
            "Round trip between the SFU and a client, each second of each link.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.4, 0.7, 1.5),
            registry=registry,
        )
        loss = Histogram(
            "curtaincall_link_loss_ratio",
            "Part of the media packets that was lost, each second of each link.",
            ["direction"],
            buckets=(0.0, 0.001, 0.005, 0.01, 0.03, 0.05, 0.1, 0.2, 0.5),
            registry=registry,
        )
        jitter = Histogram(
            "curtaincall_link_jitter_seconds",
            "Interarrival jitter (RFC 3550), each second of each link.",
            ["direction"],
            buckets=(0.001, 0.003, 0.01, 0.03, 0.06, 0.1, 0.2, 0.5),
            registry=registry,
        )
        self._estimate = Histogram(
            "curtaincall_link_estimate_bits_per_second",
            "What the way down to a client is thought to carry, each second of each link.",
            buckets=(150e3, 300e3, 600e3, 1e6, 2e6, 4e6, 8e6, 16e6),
            registry=registry,
        )
        # Looked up once: a lookup by label costs as much as the rest of a sample.
        self._losses = {direction: loss.labels(direction) for direction in (UP, DOWN)}
        self._jitters = {direction: jitter.labels(direction) for direction in (UP, DOWN)}
        bus.subscribe(StatsSampled, self._sampled)

    async def _sampled(self, event: StatsSampled) -> None:
        if event.rtt_us is not None:
            self._rtt.observe(event.rtt_us / 1e6)
        if event.estimate_bps is not None:
            self._estimate.observe(event.estimate_bps)
        self._flow(UP, event.up)
        self._flow(DOWN, event.down)

    def _flow(self, direction: str, flow: Flow) -> None:
        if flow.loss_permille is not None:
            self._losses[direction].observe(flow.loss_permille / 1_000)
        if flow.jitter_us is not None:
            self._jitters[direction].observe(flow.jitter_us / 1e6)
