"""Headless peers and a server with a certificate of its own making: exactly that certificate is trusted."""

from pathlib import Path

from curtaincall.cli.certificate import certificate
from support.server import Server
from support.swarm import SwarmPeer


async def test_only_the_given_certificate_is_trusted(tmp_path: Path) -> None:
    stranger = certificate(_folder(tmp_path / "stranger"), [])
    async with Server(_folder(tmp_path / "server"), arguments=("--demo", "--https")) as server:
        await server.people.conference("room")

        async def join(user: str, trusted: Path) -> SwarmPeer:
            token = await server.people.join_token("room", user)
            options = ["--certificate", str(trusted), "--slots", "1"]
            return SwarmPeer.join(server.url, "room", user, token=token, options=options)

        async with await join("ann", server.data_dir / "https.crt") as peer:
            await peer.wait_for("connected")
        async with await join("bob", stranger.certificate) as peer:
            refusal = await peer.wait_for("error")
    assert "certificate" in refusal["message"], refusal


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
