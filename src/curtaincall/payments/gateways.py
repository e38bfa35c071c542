"""The gateways that are switched on, and how any of them is asked: within a time, and silence is no answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final, TypeVar

from curtaincall.payments.errors import GatewayUnavailable, GatewayUnknown, GatewayUnsuitable
from curtaincall.payments.ports import Capabilities, Gateway, Pending

GATEWAY_TIMEOUT_S: Final = 20.0
"""How long a gateway may take; after it the outcome is pending, and asked about again."""

R = TypeVar("R")

log = logging.getLogger(__name__)


class Gateways:
    """By name, in the order of the settings."""

    def __init__(self, gateways: Mapping[str, Gateway]) -> None:
        self._gateways = dict(gateways)

    def __iter__(self) -> Iterator[Gateway]:
        return iter(self._gateways.values())

    def named(self, name: str) -> Gateway:
        """Raises GatewayUnknown."""
        gateway = self._gateways.get(name)
        if gateway is None:
            raise GatewayUnknown("This gateway is not switched on.", gateway=name)
        return gateway

    def able(self, can: Callable[[Capabilities], bool], what: str) -> Gateway:
        """The first gateway that can do `what`. Raises GatewayUnsuitable."""
        for gateway in self:
            if can(gateway.capabilities):
                return gateway
        raise GatewayUnsuitable(f"No gateway here can do this: {what}.", needed=what)

    async def close(self) -> None:
        for gateway in self:
            await gateway.close()

    async def ask(self, name: str, question: Callable[[Gateway], Awaitable[R]]) -> R | Pending:
        """What the gateway answers, `Pending` without an id if it does not: the money may have moved all the same."""
        try:
            async with asyncio.timeout(GATEWAY_TIMEOUT_S):
                return await question(self.named(name))
        except (GatewayUnavailable, GatewayUnknown, TimeoutError) as error:
            log.warning("gateway_silent", extra={"gateway": name, "error": type(error).__name__})
        except Exception:
            # Whatever broke, it was no answer; the question is asked again, less and less often.
            log.exception("gateway_broken", extra={"gateway": name})
        return Pending()
