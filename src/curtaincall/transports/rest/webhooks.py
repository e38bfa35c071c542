"""`/api/webhooks/{gateway}`: what gateways tell; and the page on which the sandbox's card holders confirm."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from curtaincall.payments.errors import PaymentUnknown
from curtaincall.payments.sandbox import SandboxGateway
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.wire import Body
from curtaincall.transports.services import Services

AFTERWARDS = "/wallet"
"""Where the holder goes from the sandbox's page."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Confirm your payment</title>
<meta name="viewport" content="width=device-width"></head>
<body><main><h1>Confirm your payment</h1>
<p>Your sandbox bank asks: do you want to pay <strong>{amount} {currency}</strong> to Curtaincall?</p>
<form method="post" action="{path}"><button name="answer" value="confirm">Confirm</button>
<button name="answer" value="refuse">Refuse</button></form></main></body></html>
"""


class ReceivedBody(Body):
    received: bool = True


def router(services: Services, _identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api", tags=["webhooks"])

    @routes.post("/webhooks/{gateway}", status_code=202)
    async def webhook(gateway: Annotated[str, Path(max_length=32)], request: Request) -> ReceivedBody:
        """A gateway's event: verified over the raw bytes, stored once, worked on afterwards."""
        await services.webhooks.receive(gateway, request.headers, await request.body())
        return ReceivedBody()

    for gateway in services.gateways:
        if isinstance(gateway, SandboxGateway):
            _sandbox_page(routes, gateway)
    return routes


def _sandbox_page(routes: APIRouter, sandbox: SandboxGateway) -> None:
    """The bank's page, as a holder sees it after `requires_action`. Whoever has the address of a charge is its holder,
    as with a real bank's; no money is real here."""

    ChargeId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$")]

    @routes.get("/sandbox/confirm/{charge_id}", include_in_schema=False)
    async def page(charge_id: ChargeId) -> HTMLResponse:
        charge = await sandbox.waits_for_holder(charge_id)
        if charge is None:
            raise PaymentUnknown("There is nothing to confirm here, or not any more.")
        amount = f"{charge.amount_minor // 100}.{charge.amount_minor % 100:02d}"
        path = f"/api/sandbox/confirm/{charge_id}"
        return HTMLResponse(PAGE.format(amount=amount, currency=escape(charge.currency), path=escape(path)))

    @routes.post("/sandbox/confirm/{charge_id}", include_in_schema=False)
    async def answer(charge_id: ChargeId, request: Request) -> Response:
        """`answer=confirm` or anything else, as the page's form sends it."""
        confirms = (await request.body()) == b"answer=confirm"
        if not await sandbox.holder_decides(charge_id, confirms=confirms):
            raise PaymentUnknown("There is nothing to confirm here, or not any more.")
        return RedirectResponse(AFTERWARDS, status_code=303)
