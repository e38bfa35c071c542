"""`/api/auth/*` and `/api/me`: registering, signing in and out, and the session's cookies."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field, field_validator

from curtaincall.accounts.errors import NotAuthenticated
from curtaincall.accounts.model import Role, SignedIn, User, UserPrincipal, normalise_email
from curtaincall.accounts.service import Registration
from curtaincall.kernel.clock import rfc3339
from curtaincall.transports.authentication import REFRESH_COOKIE, SESSION_COOKIE, cookie
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.wire import Body
from curtaincall.transports.services import Services

REFRESH_PATH = "/api/auth"
"""The refresh cookie goes nowhere else."""

Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")]
Password = Annotated[str, Field(min_length=8, max_length=256)]


class RegisterBody(Body):
    email: Email
    password: Password
    display_name: Annotated[str, Field(min_length=1, max_length=80)]
    role: Literal["fan", "creator"]
    birth_date: date

    @field_validator("display_name")
    @classmethod
    def _visible(cls, value: str) -> str:
        shown = value.strip()
        if not shown or not shown.isprintable():
            raise ValueError("must be printable text")
        return shown


class LoginBody(Body):
    email: Annotated[str, Field(max_length=254)]
    password: Annotated[str, Field(max_length=256)]


class SessionBody(Body):
    user_id: str
    access_token: str
    expires_in: int


class MeBody(Body):
    user_id: str
    email: str
    display_name: str
    role: str
    created_at: str


def router(services: Services, identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api", tags=["accounts"])
    accounts = services.accounts
    secure = services.settings.server.https

    def answer(response: Response, request: Request, signed_in: SignedIn) -> SessionBody:
        over_tls = secure or request.url.scheme == "https"
        for name, value, path, age_s in (
            (SESSION_COOKIE, signed_in.access_token, "/api", signed_in.access_expires_in_s),
            (REFRESH_COOKIE, signed_in.refresh_token, REFRESH_PATH, signed_in.refresh_expires_in_s),
        ):
            response.set_cookie(
                name, value, max_age=age_s, path=path, secure=over_tls, httponly=True, samesite="strict"
            )
        return SessionBody(
            user_id=signed_in.user.user_id,
            access_token=signed_in.access_token,
            expires_in=signed_in.access_expires_in_s,
        )

    def forget(response: Response) -> None:
        response.delete_cookie(SESSION_COOKIE, path="/api", httponly=True, samesite="strict")
        response.delete_cookie(REFRESH_COOKIE, path=REFRESH_PATH, httponly=True, samesite="strict")

    @routes.post("/auth/register", status_code=201)
    async def register(body: RegisterBody, request: Request, response: Response) -> SessionBody:
        """Make an account and sign in. Under 18: 403 `under_age`."""
        services.limits.register_from(request.client.host if request.client else "unknown")
        user = await accounts.register(
            Registration(body.email, body.password, body.display_name, Role(body.role), body.birth_date)
        )
        return answer(response, request, await accounts.begin_session(user))

    @routes.post("/auth/login")
    async def login(body: LoginBody, request: Request, response: Response) -> SessionBody:
        services.limits.login(normalise_email(body.email))
        return answer(response, request, await accounts.sign_in(body.email, body.password))

    @routes.post("/auth/refresh")
    async def refresh(request: Request, response: Response) -> SessionBody:
        """Exchange the refresh cookie; each works once, and a second use ends the session."""
        services.authenticator.refuse_foreign_origin(request)
        token = cookie(request.headers, REFRESH_COOKIE)
        if token is None:
            raise NotAuthenticated("There is no session to refresh.")
        return answer(response, request, await accounts.refresh(token))

    @routes.post("/auth/logout", status_code=204)
    async def logout(request: Request, response: Response) -> None:
        """End the session of the Bearer token or the cookies. It is no error if there is none."""
        services.authenticator.refuse_foreign_origin(request)
        session_id = _session_id(services, request)
        refresh_token = cookie(request.headers, REFRESH_COOKIE)
        if session_id is not None:
            await accounts.sign_out(session_id)
        elif refresh_token is not None:
            await accounts.sign_out_with(refresh_token)
        forget(response)

    @routes.get("/me")
    async def me(user: Annotated[UserPrincipal, Depends(identity.user)]) -> MeBody:
        return _me(await accounts.user(user.user_id))

    return routes


def _me(user: User) -> MeBody:
    return MeBody(
        user_id=user.user_id,
        email=user.email,
        display_name=user.display_name,
        role=user.role.value,
        created_at=rfc3339(user.created_at_ms),
    )


def _session_id(services: Services, request: Request) -> str | None:
    """The session that the access token belongs to, None if there is none or it has expired."""
    try:
        principal = services.authenticator.request(request)
    except NotAuthenticated:
        return None
    return principal.session_id if isinstance(principal, UserPrincipal) else None
