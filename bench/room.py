"""A full conference for a long time: `make bench-room`.

Twenty people each send 1280x720, 852x480 and 426x240 (VP8, simulcast) and sound; each asks for the speaker in 720 and
for the 18 others in 240. All peers are real ones: they decrypt everything, acknowledge, and judge frames as a decoder
would. A picture that stands still for more than 500 ms has frozen; there must be none, on one core of the server.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench.crowd import FULL_ROOM, clip, crowd
from bench.report import Report
from support.server import Server

SECONDS: Final = float(os.environ.get("SECONDS_EACH", "600"))
WARM_UP_S: Final = 15.0
LAYERS: Final = (("1280x720", 1_200), ("852x480", 500), ("426x240", 150))
"""Size and kbit/s of the layers, from the largest picture to the smallest."""


async def main() -> int:
    audio = clip(LAYERS[0][1], LAYERS[0][0])[1]
    layers = [clip(kbps, size)[0] for size, kbps in LAYERS]
    report = Report("room")
    with tempfile.TemporaryDirectory(prefix="curtaincall-bench-") as folder:
        async with Server(Path(folder), environment={"CURTAINCALL_MEDIA__SHARDS": "1"}) as server:
            room = crowd(
                server,
                video=layers,
                audio=audio,
                peers=FULL_ROOM,
                warm_up_s=WARM_UP_S,
                duration_s=SECONDS,
                options=["--heights", "720,240"],
            )
            async with room as swarm:
                summary = await swarm.wait_for("summary", timeout_s=WARM_UP_S + SECONDS + 120)
    assert summary["connected"] == FULL_ROOM, f"only {summary['connected']} connected"
    window = summary["window"]
    pictures = window["pictures"]
    seconds = window["us"] / 1e6
    report.value("room_minutes", "min", round(seconds / 60, 2), ">= 10")
    report.value("pictures_moving", "of 380", pictures["n"], "380")
    report.value("longest_freeze_ms", "ms", round(pictures["longest_freeze_us"] / 1000), "<= 500")
    report.value("freezes_over_500_ms", "freezes", pictures["freezes"], "0")
    report.value("server_cores", "cores", round(window["server_cpu_us"] / window["us"], 2), "<= 1")
    report.value("packets_per_s", "packets/s", round(window["packets"] / seconds))
    report.value("bytes_per_s", "Mbit/s", round(summary["bytes"] * 8 / 1e6 / (seconds + WARM_UP_S), 1))
    report.percentiles("forward_latency_ms", "ms", window["latency_us"], 1000, "")
    report.finish()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
