"""Who may call an endpoint, as FastAPI dependencies."""

from starlette.requests import Request

from curtaincall.accounts.errors import NotAuthenticated
from curtaincall.accounts.model import Principal, Role, ServicePrincipal, UserPrincipal
from curtaincall.transports.authentication import Authenticator
from curtaincall.transports.errors import TransportError


class Identity:
    """Each method is a dependency. They are coroutines so that they run on the event loop, not in a thread."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def principal(self, request: Request) -> Principal:
        """A user or a service. Raises NotAuthenticated."""
        principal = self._authenticator.request(request)
        if principal is None:
            raise NotAuthenticated("Sign in first.")
        return principal

    async def user(self, request: Request) -> UserPrincipal:
        """Raises NotAuthenticated, `role_forbidden` for a service."""
        principal = await self.principal(request)
        if isinstance(principal, ServicePrincipal):
            raise TransportError("role_forbidden", "This is for users, not for services.")
        return principal

    async def admin(self, request: Request) -> Principal:
        """A user or service with the right of an admin; for anybody else there is nothing: raises `not_found`."""
        principal = self._authenticator.request(request)
        if principal is None or not principal.admin:
            raise TransportError("not_found", "There is nothing here.")
        return principal

    async def creator(self, request: Request) -> UserPrincipal:
        """Raises NotAuthenticated, `role_forbidden`."""
        user = await self.user(request)
        if user.role is not Role.CREATOR:
            raise TransportError("role_forbidden", "This is for creators.")
        return user
