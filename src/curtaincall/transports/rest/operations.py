"""`/healthz`, `/readyz`, `/metrics`: for whoever runs the server."""

from fastapi import APIRouter, Response
from sqlalchemy import text

from curtaincall.kernel.errors import CurtaincallError
from curtaincall.observability.metrics import CONTENT_TYPE
from curtaincall.transports.services import Services


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["operations"])

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @routes.get("/readyz")
    async def readyz(response: Response) -> dict[str, str]:
        """The database answers too: calls can be begun."""
        try:
            await services.executor.read(lambda tx: tx.execute(text("SELECT 1")).scalar())
        except CurtaincallError:
            response.status_code = 503
            return {"status": "unavailable"}
        return {"status": "ok"}

    @routes.get("/metrics")
    async def metrics() -> Response:
        return Response(services.metrics.exposition(), media_type=CONTENT_TYPE)

    return routes
