"""An HTTP server that behaves as Stripe does towards our adapter: state, idempotency, test cards, signed webhooks.

Every request and every answer is checked against the published document (`contract`): a request that Stripe would not
take is answered with 400 and kept in `violations`, which a test looks at in the end.
"""

import asyncio
import hashlib
import hmac
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from support.stripe_server import contract
from support.stripe_server.desk import Desk, Refused
from support.stripe_server.objects import Object, error

SECRET_KEY: Final = "sk_test_of_this_machine"
WEBHOOK_SECRET: Final = "whsec_of_this_machine"

_FORM_KEY: Final = re.compile(r"([^\[\]]+)|\[([^\[\]]*)\]")


@dataclass(slots=True)
class _Kept:
    """An answer that its Idempotency-Key gets again."""

    asked: tuple[str, str]
    status: int
    answer: Object


@dataclass(slots=True, eq=False)
class StripeServer:
    """Use `running()`; then `url` is what the SDK's `base_addresses` wants."""

    desk: Desk = field(default_factory=Desk)
    url: str = ""
    violations: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    lose_answers: int = 0
    """So many answers are lost on their way: what was asked for is done all the same."""
    _kept: dict[str, _Kept] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["StripeServer"]:
        app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
        with socket.create_server(("127.0.0.1", 0)) as listening:  # whoever connects before it serves waits in line
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                yield self
            finally:
                server.should_exit = True
                await serving

    def signed(self, event: Object, at_s: int | None = None) -> tuple[dict[str, str], bytes]:
        """Headers and body of a webhook, as Stripe signs it (`t=...,v1=HMAC-SHA256 of "t.body"`)."""
        body = json.dumps(event).encode()
        signed_at_s = event["created"] if at_s is None else at_s
        signature = hmac.new(WEBHOOK_SECRET.encode(), b"%d." % signed_at_s + body, hashlib.sha256).hexdigest()
        return {"Stripe-Signature": f"t={signed_at_s},v1={signature}", "Content-Type": "application/json"}, body

    def forget_keys(self) -> None:
        """Forget every idempotency key, as Stripe does after a day."""
        self._kept.clear()

    async def _answer(self, request: Request) -> Response:
        path, verb = request.url.path, request.method.lower()
        self.requests.append((verb, path))
        if request.headers.get("authorization") != f"Bearer {SECRET_KEY}":
            return JSONResponse(error("invalid_request_error", "Invalid API Key provided"), 401)
        operation = contract.operation_of(verb, path)
        if operation is None:
            return self._violation(f"{verb} {path}: no such operation")
        template, _ = operation
        body = (await request.body()).decode()
        key = request.headers.get("idempotency-key")
        kept = self._kept.get(key) if key else None
        if kept is not None:
            if kept.asked != (path, body):
                refusal = error(
                    "idempotency_error", "Keys for idempotent requests can only be used with the same parameters."
                )
                return JSONResponse(refusal, 400)
            return JSONResponse(kept.answer, kept.status, headers={"Idempotent-Replayed": "true"})
        try:
            asked = contract.check_request(verb, template, form_of(body))
            if verb == "get":
                asked = dict(request.query_params)
        except contract.OffContract as off:
            return self._violation(str(off))
        status, answer = self._work(verb, template, path, asked)
        contract.check_answer(verb, template, status, answer)
        if key:
            self._kept[key] = _Kept((path, body), status, answer)
        if self.lose_answers > 0 and verb == "post":
            self.lose_answers -= 1
            return Response(status_code=503)  # a proxy in between gave up waiting
        return JSONResponse(answer, status)

    def _work(self, verb: str, template: str, path: str, asked: Object) -> tuple[int, Object]:
        subject = next(
            (part for part, name in zip(path.split("/"), template.split("/"), strict=True) if "{" in name), ""
        )
        try:
            return 200, self.desk.work(f"{verb} {template}", subject, asked)
        except Refused as refused:
            return refused.status, refused.body

    def _violation(self, what: str) -> Response:
        self.violations.append(what)
        return JSONResponse(error("invalid_request_error", what), 400)


def form_of(body: str) -> dict[str, Any]:
    """`a[b][0]=c` as nested mappings, the way Stripe reads forms."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        keys = [plain or nested for plain, nested in _FORM_KEY.findall(name)]
        node = tree
        for key in keys[:-1]:
            node = node.setdefault(key, {})
        node[keys[-1]] = value
    return tree
