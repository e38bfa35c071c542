"""What a Prometheus server reads of the SFU."""

from curtaincall.observability.metrics import MEDIA_COUNTERS, Metrics


def test_the_sfus_counters_are_read_when_somebody_looks() -> None:
    counted = dict.fromkeys(MEDIA_COUNTERS, 1)
    metrics = Metrics()
    metrics.watch_media(lambda: counted)
    counted["send_calls"] = 7
    lines = metrics.exposition().decode().splitlines()
    assert "curtaincall_sfu_send_calls_total 7.0" in lines
    assert "curtaincall_sfu_packets_out_total 1.0" in lines


def test_without_an_sfu_there_are_no_counters_of_one() -> None:
    assert b"curtaincall_sfu" not in Metrics().exposition()
