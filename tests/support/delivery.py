"""What was delivered, judged by the receiver alone: nothing of the server's own meter is used."""

from support.swarm import Event

GAP_COUNTED_US = 500_000
"""A gap between packets counts up to 500 ms (charging.md)."""


def delivered_ms(summary: Event) -> int:
    """Billable milliseconds by charging.md's rule, from a receiving peer's summary: its only source is the payee."""
    if not summary["first_packet_us"]:
        return 0
    span_us = summary["last_packet_us"] - summary["first_packet_us"]
    beyond_us = sum(max(0, gap["len_us"] - GAP_COUNTED_US) for gap in summary["gaps"])
    return int((span_us - beyond_us) // 1000)
