"""Figures for `/metrics`, in the Prometheus text format. Each app has a registry of its own."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """What the control plane counts. Labels are bounded: codes and reasons of ours, never ids from outside."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "curtaincall_http_requests_total", "HTTP requests by status.", ["status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "curtaincall_http_request_seconds",
            "Time to answer an HTTP request.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
            registry=self.registry,
        )
        self.sockets = Gauge("curtaincall_sockets", "Open WebSockets.", ["endpoint"], registry=self.registry)
        self.socket_refusals = Counter(
            "curtaincall_socket_refusals_total",
            "Sockets closed with an ERROR, by code.",
            ["code"],
            registry=self.registry,
        )
        self.seats = Gauge("curtaincall_seats", "Seats taken in rooms.", registry=self.registry)
        self.terminations = Counter(
            "curtaincall_terminations_total", "Seats cut, by reason.", ["reason"], registry=self.registry
        )
        self.renewal_seconds = Histogram(
            "curtaincall_lease_renewal_seconds",
            "Time to renew every lease once.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0),
            registry=self.registry,
        )
        self.renewal_failures = Counter(
            "curtaincall_lease_renewal_failures_total", "Renewals that failed.", registry=self.registry
        )

    def watch_media(self, read: Callable[[], Mapping[str, int]]) -> None:
        """Show the SFU's own counters too; `read` is asked at every scrape and must not wait."""
        self.registry.register(_MediaCounters(read))

    def exposition(self) -> bytes:
        """The text that a Prometheus server scrapes."""
        return generate_latest(self.registry)


MEDIA_COUNTERS = {
    "packets_in": "Datagrams that came.",
    "packets_out": "Datagrams that left.",
    "packets_refused": "Datagrams from nobody known, malformed, too long or too many.",
    "media_forwarded": "Media packets written to subscribers.",
    "media_denied": "Media packets stopped by a lease.",
    "peers_discarded": "Sessions given up.",
    "freezes": "Standstills of pictures that subscribers were sent.",
    "held_back": "Pictures that began to be held back because a link would not carry them.",
    "receive_calls": "System calls that took datagrams.",
    "send_calls": "System calls that gave datagrams to the kernel.",
    "tcp_connections": "TCP connections accepted on the media ports.",
}
"""What the SFU counts, by the names it has there."""


class _MediaCounters:
    """Reads the SFU's counters when somebody looks: nothing is counted twice, and nothing on the packet path."""

    def __init__(self, read: Callable[[], Mapping[str, int]]) -> None:
        self._read = read

    def collect(self) -> Iterator[CounterMetricFamily]:
        figures = self._read()
        for name, meaning in MEDIA_COUNTERS.items():
            yield CounterMetricFamily(f"curtaincall_sfu_{name}", meaning, value=figures.get(name, 0))
