"""Where an operator's commands go: to the server that works on the data folder, or, if there is none, to its services.

Either way they are the requests of `/api/admin`, with a token signed with the folder's own key: whoever can read the
key is an admin already. Without a server the app is put together in this process, under the claim on the folder, so
that none starts meanwhile; nothing of it is started, so a call that a crash left open waits for the next server.
"""

import getpass
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from curtaincall.accounts.tokens import Tokens, signing_key
from curtaincall.cli.address import announced
from curtaincall.kernel.clock import SystemClock
from curtaincall.kernel.ids import uuid7
from curtaincall.settings import Settings
from curtaincall.storage.errors import DataInUse

TOKEN_TTL_S: Final = 60
TIMEOUT_S: Final = 60.0
"""A refund waits for the gateway."""

NOBODY_LISTENS: Final = "http://localhost"
"""Base of URLs that never leave this process."""

Json = dict[str, Any]


class DeskClosed(Exception):
    """The server on the data folder cannot be talked to."""


class Refused(Exception):
    """The request was refused: the code and the sentence of its problem document."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Asks `/api/admin`."""

    http: httpx.AsyncClient

    async def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> Json:
        """Raises Refused, DeskClosed."""
        return await self._ask("GET", path, params=dict(parameters or {}))

    async def post(self, path: str, body: Json) -> Json:
        """Raises Refused, DeskClosed."""
        key = uuid7(SystemClock().now_ms())
        return await self._ask("POST", path, json=body, headers={"Idempotency-Key": key})

    async def _ask(self, method: str, path: str, **request: Any) -> Json:
        try:
            answer = await self.http.request(method, f"/api/admin{path}", **request)
        except httpx.HTTPError as error:
            raise DeskClosed(f"The server does not answer: {type(error).__name__}.") from None
        body = dict(answer.json())
        if answer.is_error:
            raise Refused(f"{body.get('code', answer.status_code)}: {body.get('detail', answer.reason_phrase)}")
        return body


@asynccontextmanager
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    """Raises DeskClosed."""
    clock = SystemClock()
    tokens = Tokens(signing_key(settings.data_dir), clock, lambda: uuid7(clock.now_ms()))
    token = tokens.service(f"cli.{getpass.getuser()}", TOKEN_TTL_S, admin=True)
    async with _client(settings, {"Authorization": f"Bearer {token}"}) as http:
        yield Desk(http)


@asynccontextmanager
async def _client(settings: Settings, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    from curtaincall.bootstrap import Overrides, build
    from curtaincall.media.absent import AbsentEngine

    try:
        app = build(settings, Overrides(media=lambda _: AbsentEngine()))
    except DataInUse:
        async with _server(settings, headers) as http:
            yield http
        return
    try:
        await app.services.accounts.start()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app.asgi), base_url=NOBODY_LISTENS, headers=headers, timeout=TIMEOUT_S
        ) as http:
            yield http
    finally:
        await app.stop()


def _server(settings: Settings, headers: dict[str, str]) -> httpx.AsyncClient:
    url = announced(settings.data_dir)
    if url is None:
        raise DeskClosed("The server on this data folder has not begun to listen. Try again in a moment.")
    trust: ssl.SSLContext | bool = True
    certificate = settings.data_dir / "https.crt"
    if url.startswith("https:") and certificate.is_file():
        trust = ssl.create_default_context(cafile=str(certificate))
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S, verify=trust, trust_env=False)
