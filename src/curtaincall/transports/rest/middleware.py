"""What surrounds every HTTP request: a limit on bodies, headers that keep browsers safe, and the count."""

import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from curtaincall.observability.metrics import Metrics
from curtaincall.transports.errors import TransportError
from curtaincall.transports.rest.problems import refusal

STRIPE_SCRIPTS: Final = "https://js.stripe.com https://*.js.stripe.com"
STRIPE_FRAMES: Final = f"{STRIPE_SCRIPTS} https://hooks.stripe.com"
STRIPE_CALLS: Final = "https://api.stripe.com"
"""What Stripe's card form needs of a page that shows it (docs.stripe.com/security/guide, Content Security Policy)."""


def content_security_policy(*, stripe: bool) -> str:
    """Everything from here and nothing from elsewhere, but for Stripe's own form where cards are entered in it.

    `{sockets}` is left for the host that a page was asked from.
    """
    scripts, frames, calls = (STRIPE_SCRIPTS, STRIPE_FRAMES, STRIPE_CALLS) if stripe else ("", "'none'", "")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {scripts}".rstrip(),
            "style-src 'self'",
            "font-src 'self'",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            f"connect-src 'self' {{sockets}} {calls}".rstrip(),
            f"frame-src {frames}",
            "manifest-src 'self'",
            "worker-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


SAFETY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Surroundings:
    """Pure ASGI, so that it costs next to nothing on the path of a termination."""

    def __init__(self, app: ASGIApp, metrics: Metrics, max_body_bytes: int, https: bool, stripe: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._https = https
        self._policy = content_security_policy(stripe=stripe)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        host = Headers(scope=scope).get("host", "")
        sockets = f"{'wss' if self._https else 'ws'}://{host}" if _is_plain(host) else ""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in SAFETY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", self._policy.format(sockets=sockets))
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
                if self._https:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
                self._metrics.requests.labels(status=str(message["status"])).inc()
                self._metrics.request_seconds.observe(time.perf_counter() - began)
            await send(message)

        await self._limited(scope, receive, send_safely)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a body that says it is too large; stop reading one that turns out to be."""
        too_large = TransportError("body_too_large", f"Bodies are at most {self._max_body_bytes} bytes.")
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._max_body_bytes:
            await refusal(too_large)(scope, receive, send)
            return
        read = 0

        async def receive_limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_body_bytes:
                # The framework turns whatever else is raised while it reads a body into a plain 400.
                raise HTTPException(413, too_large.message)
            return message

        await self._app(scope, receive_limited, send)


def _is_plain(host: str) -> bool:
    """Whether a Host header may be repeated in a policy: a name or address with a port, nothing else."""
    return bool(host) and all(char.isalnum() or char in ".-:[]" for char in host)
