"""The ASGI application: REST, WebSockets and the web app in one."""

from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from curtaincall.transports.rest import (
    admin,
    auth,
    calls,
    creator,
    models,
    operations,
    payouts,
    problems,
    purchases,
    rooms,
    rtc,
    safety,
    subscriptions,
    wallet,
    web,
    webhooks,
)
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.middleware import Surroundings
from curtaincall.transports.services import Services
from curtaincall.transports.ws.endpoints import Endpoints


def create_app(services: Services, endpoints: Endpoints, web_root: Path) -> ASGIApp:
    """Put every endpoint of protocol.md together."""
    app = FastAPI(
        title="Curtaincall",
        version=version("curtaincall"),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    identity = Identity(services.authenticator)
    app.router.routes.append(WebSocketRoute("/api/rtc/signaling", endpoints.signaling))
    app.router.routes.append(WebSocketRoute("/api/events", endpoints.events))
    # The termination comes first: nothing is matched before it.
    for module in (
        rtc,
        auth,
        models,
        rooms,
        purchases,
        subscriptions,
        calls,
        wallet,
        creator,
        payouts,
        webhooks,
        safety,
        admin,
    ):
        app.include_router(module.router(services, identity))
    app.include_router(operations.router(services))
    app.include_router(web.router(web_root))
    server = services.settings.server
    stripe = "stripe" in services.settings.payments.gateways
    return Surroundings(app, services.metrics, server.max_body_bytes, server.https, stripe)
