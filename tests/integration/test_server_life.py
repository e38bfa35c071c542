"""The server's own life: how it starts, stops, comes back, and what its commands say."""

import ssl
import stat
from pathlib import Path

import httpx
import pytest

from support.server import Server
from support.signaling import Signaling


async def test_a_graceful_stop_ends_and_settles_the_calls_and_tells_the_people(tmp_path: Path) -> None:
    async with Server(tmp_path) as server:
        people = server.people
        creator, fan = await people.creator(), await people.fan(balance_minor=1_000)
        call = await people.request_call(fan, creator)
        await people.accept_call(creator, call["callId"])
        await people.conference("talk")
        token = await people.join_token("talk", "ann")
        async with Signaling(server.url, headers=fan.bearer) as caller, Signaling(server.url) as guest:
            await caller.join(call["roomId"], fan.user_id)
            await caller.wait_for("JOINED")
            await guest.join("talk", "ann", token=token)
            await guest.wait_for("JOINED")
            assert await server.stop() == 0
            assert (await caller.wait_for("TERMINATE_CALL"))["reason"] == "ADMIN_TERMINATED"
            assert await guest.refusal() == ("shutting_down", 1012)
        states = server.query("SELECT state FROM paid_sessions")
        assert states in ([("CANCELLED",)], [("SETTLED",)])
        code, printed = await server.command("ledger", "verify")
        assert code == 0, printed


async def test_what_ended_stays_ended_and_what_was_open_is_open_after_a_kill(tmp_path: Path) -> None:
    async with Server(tmp_path) as server:
        people = server.people
        for room_id in ("over", "open"):
            await people.conference(room_id)
        await people.http.post("/api/rooms/over/end", headers=people.service)
        async with Signaling(server.url) as removed:
            await removed.join("open", "eve", token=await people.join_token("open", "eve"))
            await removed.wait_for("JOINED")
            await people.terminate("open", "eve", "ADMIN_TERMINATED")
        creator, fan = await people.creator(), await people.fan(balance_minor=1_000)
        call = await people.request_call(fan, creator)
        await people.accept_call(creator, call["callId"])
        token = await people.join_token("open", "ann")
        await server.kill()
        await server.start()
        people = server.people
        answer = await people.http.post("/api/rooms/over/join-token", json={"userId": "ann"}, headers=people.service)
        assert answer.json()["code"] == "room_ended"
        answer = await people.http.post("/api/rooms/open/join-token", json={"userId": "eve"}, headers=people.service)
        assert answer.json()["code"] == "removed"
        async with Signaling(server.url) as late:
            await late.join("open", "ann", token=token)
            assert await late.refusal() == ("token_expired", 4401)  # of the boot before: it may have been used
        async with Signaling(server.url) as welcome:
            await welcome.join("open", "ann", token=await people.join_token("open", "ann"))
            await welcome.wait_for("JOINED")
        async with Signaling(server.url, headers=fan.bearer) as caller:
            await caller.join(call["roomId"], fan.user_id)
            assert await caller.refusal() == ("room_ended", 4410)
        assert (await people.wallet(fan))["heldMinor"] == 0
        assert (await people.receipt(fan, call["callId"]))["chargedMinor"] == 0


async def test_a_locally_made_certificate_and_the_demos_people_are_made_once(tmp_path: Path) -> None:
    async with Server(tmp_path, arguments=("--demo", "--https")) as server:
        assert server.url.startswith("https://")
        trust = ssl.create_default_context(cafile=tmp_path / "https.crt")
        async with httpx.AsyncClient(base_url=server.url, verify=trust) as browser:
            answer = await browser.post(
                "/api/auth/login", json={"email": "sam@demo.example", "password": "curtain-call-demo"}
            )
            assert answer.status_code == 200
            assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))
            assert "strict-transport-security" in answer.headers
        assert "  sam@demo.example" in server.log
        made = (tmp_path / "https.crt").read_bytes()
        await server.stop()
        await server.start()
        assert (tmp_path / "https.crt").read_bytes() == made
        assert server.query("SELECT count(*) FROM users") == [(5,)]
        assert server.query("SELECT count(*) FROM card_payments") == [(2,)]
    for secret in ("https.key", "signing.key"):
        assert stat.S_IMODE((tmp_path / secret).stat().st_mode) == 0o600


async def test_an_unknown_setting_is_refused_by_name(tmp_path: Path) -> None:
    server = Server(tmp_path, environment={"CURTAINCALL_ROOM__MAX_PARTICIPANTS": "5"})
    with pytest.raises(RuntimeError, match="CURTAINCALL_ROOM__MAX_PARTICIPANTS"):
        await server.start()


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with Server(tmp_path) as server:
        port = server.url.rpartition(":")[2]
        code, printed = await server.command("serve", "--port", port)
        assert code == 1
        assert f"port {port}" in printed


async def test_a_second_server_on_the_same_data_is_refused_and_the_first_keeps_its_calls(tmp_path: Path) -> None:
    async with Server(tmp_path) as server:
        people = server.people
        creator, fan = await people.creator(), await people.fan(balance_minor=1_000)
        call = await people.request_call(fan, creator)
        await people.accept_call(creator, call["callId"])
        code, printed = await server.command("serve", "--port", "0")
        assert (code, "Another server" in printed) == (1, True)
        assert (await people.call(fan, call["callId"]))["state"] == "CONNECTING"
        assert server.query("SELECT state FROM paid_sessions") == [("CONNECTING",)]


async def test_commands_of_the_operator(tmp_path: Path) -> None:
    server = Server(tmp_path)
    code, printed = await server.command("migrate")
    assert (code, printed.strip()) == (0, "The database is up to date.")
    code, printed = await server.command("token", "--service", "shop")
    assert code == 0
    assert printed.count(".") == 2
    assert len(printed.splitlines()) == 1
    code, printed = await server.command("doctor")
    assert "database: the books balance" in printed
    assert code == (1 if "FAIL" in printed else 0)


async def test_logs_hold_no_token_no_address_and_no_sdp(tmp_path: Path) -> None:
    async with Server(tmp_path) as server:
        people = server.people
        await people.conference("talk")
        token = await people.join_token("talk", "ann")
        async with Signaling(server.url) as guest:
            await guest.join("talk", "ann", token=token)
            await guest.wait_for("JOINED")
            await guest.send("OFFER", sdp="v=0\r\nunmistakable")
            await guest.wait_for("ERROR")
            port = guest.socket.local_address[1]
        await server.stop()
        logged = "\n".join(line for line in server.log if line.startswith("{"))
    assert "participant_joined" in logged
    for secret in (token, people.service_token, "unmistakable", f":{port}", "@example.org"):
        assert secret not in logged
