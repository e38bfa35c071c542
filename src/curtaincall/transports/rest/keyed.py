"""Idempotency-Key for the POSTs that move money: one key, one body, one movement, one answer."""

import json
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request, Response
from pydantic import BaseModel

from curtaincall.storage.idempotency import Answer, IdempotencyStore, Scope
from curtaincall.transports.errors import TransportError

HEADER: Final = "Idempotency-Key"
MAX_KEY_CHARS: Final = 255


def key_of(request: Request) -> str:
    """The request's key. Raises TransportError `idempotency_key_missing`."""
    key = request.headers.get(HEADER, "")
    if not 1 <= len(key) <= MAX_KEY_CHARS or not key.isprintable():
        raise TransportError("idempotency_key_missing", f"This needs the header {HEADER}, at most 255 characters long.")
    return key


async def keyed(
    store: IdempotencyStore,
    request: Request,
    user_id: str,
    status: int,
    work: Callable[[str], Awaitable[BaseModel]],
) -> Response:
    """Do the work under the request's key, or give the kept answer again.

    `work` is given a key of its own for the movement, unique to user, path and key.
    Raises IdempotencyConflict, IdempotencyInFlight, `idempotency_key_missing`, and what the work raises.
    """
    scope = Scope(user_id, request.url.path, key_of(request))

    async def answer() -> Answer:
        body = await work(f"{scope.path}:{scope.key}")
        return Answer(status, body.model_dump_json(by_alias=True))

    kept = await store.answer(scope, _canonical(await request.body()), answer)
    return Response(kept.body, kept.status, media_type="application/json")


def _canonical(body: bytes) -> bytes:
    """Two spellings of the same JSON are the same request; what asks for no body may come with any."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except ValueError:
        return body
