"""A paid call between two headless peers on a real video file, told as it happens, and its figures at the end.

The fan has money for 20 seconds. Nobody ends the call: the SFU stops the picture when the paid time is over.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from support.delivery import delivered_ms
from support.media_files import media_files
from support.people import Json, Person
from support.server import Server
from support.swarm import Event, SwarmPeer

PRICE_PER_MINUTE_MINOR = 600
BALANCE_MINOR = 200
MINIMUM_MS = 10_000
CALL_TIMEOUT_S = 60
LOOK_AT_BOOKS_EVERY_S = 0.1

STATES = {
    "ACTIVE": "",
    "FINAL": " (asked for more in good time: the wallet has no more)",
}


class Narrator:
    """Prints what happens with the seconds since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:7.2f} s  {text}", flush=True)


def euros(amount_minor: int) -> str:
    return f"EUR {amount_minor // 100}.{amount_minor % 100:02d}"


async def main() -> int:
    clip = media_files(width=1280, height=720)
    narrator = Narrator()
    with tempfile.TemporaryDirectory(prefix="curtaincall-demo-") as folder:
        async with Server(Path(folder)) as server:
            narrator.say(f"a server is listening at {server.url}")
            creator = await server.people.creator(
                price_per_minute_minor=PRICE_PER_MINUTE_MINOR, minimumMs=MINIMUM_MS, incrementMs=1000
            )
            fan = await server.people.fan(balance_minor=BALANCE_MINOR)
            narrator.say(f"a creator asks {euros(PRICE_PER_MINUTE_MINOR)} a minute")
            narrator.say(f"a fan has {euros(BALANCE_MINOR)}: enough for 20 seconds")
            call = await server.people.request_call(fan, creator)
            narrator.say("the fan calls; the creator's phone rings")
            accepted = await server.people.accept_call(creator, call["callId"])
            wallet = await server.people.wallet(fan)
            narrator.say(
                f"accepted: {euros(wallet['heldMinor'])} held before any packet may flow ({accepted['state']})"
            )

            def peer(person: Person) -> SwarmPeer:
                return SwarmPeer.join(
                    server.url, call["roomId"], person.user_id, bearer=person.token, video=clip.vp8, audio=clip.opus
                )

            async with peer(creator) as creator_peer, peer(fan) as fan_peer:
                audit = asyncio.create_task(_watch_books(narrator, server, call["callId"]))
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    await _tell(narrator, fan_peer)
                audit.cancel()
                summary = await fan_peer.finish()
                await creator_peer.finish()
            receipt = await _settled(server, fan, call["callId"])
            narrator.say(f"settled: {euros(receipt['chargedMinor'])} charged, the rest of the hold returned")
            wallet = await server.people.wallet(fan)
            return _figures(server, fan_peer.events, summary, receipt, wallet)


async def _tell(narrator: Narrator, peer: SwarmPeer) -> None:
    """Say what the fan's peer is told, until it is told that the call has ended."""
    position = 0
    state = ""
    granted_ms = 0
    while True:
        while position < len(peer.events):
            event = peer.events[position]
            position += 1
            if event["event"] == "session":
                session = event["message"]
                if session["state"] != state or session["grantedMs"] != granted_ms:
                    state, granted_ms = session["state"], session["grantedMs"]
                    used_s, granted_s = session["usedMs"] / 1000, granted_ms / 1000
                    narrator.say(f"{state}: {used_s:.1f} s used of {granted_s:.1f} s granted{STATES.get(state, '')}")
            elif event["event"] == "first_video_packet":
                narrator.say("the first packet of the creator's picture reaches the fan")
            elif event["event"] == "low_balance":
                narrator.say(f"low balance: {event['message']['secondsLeft']} s left")
            elif event["event"] == "terminate":
                narrator.say(f"TERMINATE_CALL {event['reason']}: the picture had stopped already")
                return
        await peer.next_event(position)


async def _watch_books(narrator: Narrator, server: Server, call_id: str) -> None:
    """Say when the books show a newer meter: each lease renewal makes it durable before it extends the lease."""
    durable_ms = 0
    while True:
        ((used_ms,),) = server.query("SELECT used_ms FROM paid_sessions WHERE session_id = ?", call_id)
        assert isinstance(used_ms, int)
        if used_ms > durable_ms:
            durable_ms = used_ms
            narrator.say(f"lease renewed; the books know of {durable_ms / 1000:.1f} s delivered")
        await asyncio.sleep(LOOK_AT_BOOKS_EVERY_S)


async def _settled(server: Server, fan: Person, call_id: str) -> Json:
    """The receipt, as soon as there is one; the server settles within 2 s of the end."""
    for _ in range(100):
        answer = await server.people.http.get(f"/api/calls/{call_id}/receipt", headers=fan.bearer)
        if answer.status_code == 200:
            return dict(answer.json())
        await asyncio.sleep(0.1)
    raise RuntimeError(f"The call was never settled: {answer.text}")


def _lease_ended(log: Iterable[str]) -> Json:
    """What the SFU itself reported of the cut, from the server's log."""
    for line in log:
        if "lease_ended" in line and line.startswith("{"):
            entry = dict(json.loads(line))
            if entry.get("cause") == "quota":
                return entry
    raise RuntimeError("The server's log has no lease that ended by its quota.")


def _figures(server: Server, events: list[Event], summary: Event, receipt: Json, wallet: Json) -> int:
    granted_ms = max(event["message"]["grantedMs"] for event in events if event["event"] == "session")
    cut = _lease_ended(server.log)
    after_deadline_us = summary["last_packet_us"] - cut["deadline_us"]
    rows = [
        ("granted", f"{granted_ms} ms"),
        ("used (billable)", f"{receipt['billableMs']} ms"),
        ("delivered, as the fan's peer saw it", f"{delivered_ms(summary)} ms"),
        ("charged", euros(receipt["chargedMinor"])),
        ("of which the creator gets", euros(receipt["creatorMinor"])),
        ("left in the wallet", f"{euros(wallet['balanceMinor'])}, held {euros(wallet['heldMinor'])}"),
        ("packets sent after the deadline", str(cut["packets_after_deadline"])),
        ("last packet at the receiver", f"{after_deadline_us / 1000:+.3f} ms from the deadline"),
    ]
    print()
    for name, value in rows:
        print(f"  {name:<38}{value}")
    honest = cut["packets_after_deadline"] == 0 and receipt["billableMs"] <= granted_ms and wallet["balanceMinor"] >= 0
    return 0 if honest else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
