"""A person at Debian's Firefox, driven over WebDriver BiDi: nothing but its own protocol between it and the test.

Only what a test of a call needs: go to a page as somebody, run a script in it, and hear its complaints.
"""

import asyncio
import itertools
import json
import re
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import websockets

from support.people import Person
from support.processes import send_signal

LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
START_TIMEOUT_S = 60
ANSWER_TIMEOUT_S = 60
SESSION_COOKIE = "curtaincall_session"
SIZE_LIMIT_BYTES = 16 << 20

PREFERENCES = {
    # A made-up camera and microphone, and nobody to ask whether they may be used.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    # No news from the outside.
    "app.update.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}

Json = dict[str, Any]


class ScriptFailed(Exception):
    """A script in the page threw; says what."""


class Firefox:
    """One Firefox with one page."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._context = ""
        self.complaints: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def begin(self) -> None:
        await self.command("session.new", capabilities={})
        await self.command("session.subscribe", events=["log.entryAdded"])
        tree = await self.command("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def end(self) -> None:
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        await self._socket.close()

    async def sign_in(self, person: Person, url: str) -> None:
        """Be this person at that server, as after signing in there."""
        cookie = {
            "name": SESSION_COOKIE,
            "value": {"type": "string", "value": person.token},
            "domain": urlsplit(url).hostname,
            "path": "/",
        }
        await self.command("storage.setCookie", cookie=cookie)

    async def preload(self, script: str) -> None:
        """Run a script in every page before anything of its own."""
        await self.command("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}")

    async def goto(self, url: str) -> None:
        await self.command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def resize(self, width: int, height: int) -> None:
        viewport = {"width": width, "height": height}
        await self.command("browsingContext.setViewport", context=self._context, viewport=viewport)

    async def evaluate(self, function: str, argument: object = None) -> Any:
        """Call a JavaScript function of one argument in the page; returns what its promise brings.

        Raises ScriptFailed with what it threw.
        """
        call = f"(async () => ({function})({json.dumps(argument)}))()"
        told = "(value) => JSON.stringify({ value }), (error) => JSON.stringify({ error: String(error) })"
        answer = await self.command(
            "script.evaluate",
            expression=f"{call}.then({told})",
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise ScriptFailed(answer["exceptionDetails"]["text"])
        outcome = json.loads(answer["result"]["value"])
        if "error" in outcome:
            raise ScriptFailed(outcome["error"])
        return outcome.get("value")

    async def command(self, method: str, **parameters: object) -> Json:
        number = next(self._numbers)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            message = await answer
        if message["type"] == "error":
            raise RuntimeError(f"{method}: {message['error']}: {message['message']}")
        return dict(message["result"])

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if message["type"] == "event":
                entry = message["params"]
                if message["method"] == "log.entryAdded" and entry["type"] == "javascript":
                    self.complaints.append(entry["text"])
            elif answer := self._answers.pop(message["id"], None):
                answer.set_result(message)


@asynccontextmanager
async def firefox(folder: Path, arguments: Sequence[str] = ()) -> AsyncIterator[Firefox]:
    """Start Firefox with a fresh profile in `folder`. At the end it is closed."""
    _make_profile(folder)
    program = shutil.which("firefox-esr")
    assert program is not None, "firefox-esr is not installed"
    process = await asyncio.create_subprocess_exec(
        program,
        *("--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", "0"),
        *arguments,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    assert process.stderr is not None
    drain: asyncio.Task[None] | None = None
    try:
        url = await _address(process.stderr)
        drain = asyncio.create_task(_forget(process.stderr))
        async with websockets.connect(f"{url}/session", max_size=SIZE_LIMIT_BYTES, proxy=None) as socket:
            browser = Firefox(socket)
            try:
                await browser.begin()
                yield browser
            finally:
                await browser.end()
    finally:
        send_signal(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            send_signal(process, signal.SIGKILL)
            await process.wait()
        if drain is not None:
            await drain


def _make_profile(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (folder / "user.js").write_text("\n".join(lines) + "\n")


async def _address(stderr: asyncio.StreamReader) -> str:
    said: list[str] = []
    async with asyncio.timeout(START_TIMEOUT_S):
        async for line in stderr:
            said.append(line.decode(errors="replace").rstrip())
            if found := LISTENING.search(said[-1]):
                return found.group(1)
    raise RuntimeError("Firefox did not start. It said:\n" + "\n".join(said[-20:]))


async def _forget(stderr: asyncio.StreamReader) -> None:
    async for _ in stderr:
        pass
