"""Users, principals and sessions: plain values."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Role(StrEnum):
    FAN = "fan"
    CREATOR = "creator"


@dataclass(frozen=True, slots=True)
class User:
    user_id: str
    email: str
    display_name: str
    role: Role
    birth_date: date
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class UserPrincipal:
    """A signed-in user, as far as an access token tells."""

    user_id: str
    role: Role
    session_id: str
    admin: bool = False
    """May do what `/api/admin` offers; beside the role, which is what one is to others."""


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """The back end of a site that embeds Curtaincall (`curtaincall token`)."""

    name: str
    admin: bool = False


Principal = UserPrincipal | ServicePrincipal


@dataclass(frozen=True, slots=True)
class JoinClaim:
    """What a join token entitles to: one entry of this user into this room in this role."""

    user_id: str
    room_id: str
    role: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session just begun or refreshed, with the tokens that carry it."""

    user: User
    access_token: str
    access_expires_in_s: int
    refresh_token: str
    refresh_expires_in_s: int


def age_years(birth_date: date, today: date) -> int:
    """Completed years of life. Somebody born on 29 February has a birthday on 1 March in common years."""
    before_birthday = (today.month, today.day) < (birth_date.month, birth_date.day)
    return today.year - birth_date.year - int(before_birthday)


def normalise_email(email: str) -> str:
    """The form by which an account is found: addresses that differ in case only are one account."""
    return email.strip().casefold()
