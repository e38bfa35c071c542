"""Refusals as problem details (RFC 9457), each with its stable `code`."""

import logging
import math
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from curtaincall.kernel.errors import CurtaincallError
from curtaincall.transports.errors import code_of, meaning, retry_after_ms

MEDIA_TYPE = "application/problem+json"

CODES = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
"""Codes of the refusals that the framework makes by itself."""

log = logging.getLogger(__name__)


def problem(code: str, detail: str, **further: object) -> JSONResponse:
    """A problem document. `retry_after_ms` among the further members becomes the Retry-After header too."""
    status = meaning(code).status
    body = {
        "type": f"urn:curtaincall:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **{name: value for name, value in further.items() if value is not None},
    }
    response = JSONResponse(jsonable_encoder(body), status, media_type=MEDIA_TYPE)
    wait_ms = further.get("retryAfterMs")
    if isinstance(wait_ms, int):
        response.headers["Retry-After"] = str(math.ceil(wait_ms / 1000))
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def refusal(error: CurtaincallError) -> JSONResponse:
    return problem(code_of(error), error.message, retryAfterMs=retry_after_ms(error))


def install(app: FastAPI) -> None:
    """Have every error of the app answered as a problem."""

    @app.exception_handler(CurtaincallError)
    async def _refused(_: Request, error: CurtaincallError) -> Response:
        return refusal(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        found = error.errors()
        if any(item["type"] == "json_invalid" for item in found):
            return problem("malformed_json", "The body is not JSON.")
        # Without the input: it may hold a password or a token.
        shown = [{"at": ".".join(str(part) for part in item["loc"]), "message": item["msg"]} for item in found[:20]]
        return problem("invalid_request", "The request is not valid.", errors=shown)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        code = CODES.get(error.status_code, "internal")
        response = problem(code, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def _broken(request: Request, error: Exception) -> Response:
        log.error("request_failed", extra={"path": request.url.path}, exc_info=error)
        return problem("internal", "Something went wrong on our side.")
