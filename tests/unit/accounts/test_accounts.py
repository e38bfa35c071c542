"""Accounts: who may have one, how a session begins, goes on and ends."""

from datetime import date

import pytest

from curtaincall.accounts.errors import (
    EmailTaken,
    InvalidCredentials,
    NotAuthenticated,
    RefreshReused,
    TokenExpired,
    UnderAge,
)
from curtaincall.accounts.model import Role, UserPrincipal, age_years
from curtaincall.accounts.service import Registration
from support.platform_world import PASSWORD, PlatformWorld


def born(day: date) -> Registration:
    return Registration("young@example.org", PASSWORD, "Young", Role.FAN, day)


async def test_somebody_who_turns_eighteen_tomorrow_is_refused(world: PlatformWorld) -> None:
    with pytest.raises(UnderAge):
        await world.accounts.register(born(date(2008, 9, 22)))  # the virtual clock stands at 2026-09-21


async def test_somebody_who_turns_eighteen_today_is_welcome(world: PlatformWorld) -> None:
    assert (await world.accounts.register(born(date(2008, 9, 21)))).role is Role.FAN


@pytest.mark.parametrize(
    ("birth", "today", "years"),
    [
        (date(2000, 2, 29), date(2018, 2, 28), 17),
        (date(2000, 2, 29), date(2018, 3, 1), 18),
        (date(2000, 12, 31), date(2018, 12, 30), 17),
        (date(2000, 12, 31), date(2018, 12, 31), 18),
    ],
)
def test_age_counts_completed_years(birth: date, today: date, years: int) -> None:
    assert age_years(birth, today) == years


async def test_an_address_has_one_account_however_it_is_spelt(world: PlatformWorld) -> None:
    await world.person("ann")
    with pytest.raises(EmailTaken):
        await world.accounts.register(Registration(" ANN@Example.org", PASSWORD, "Ann", Role.FAN, date(1990, 1, 1)))
    assert (await world.accounts.sign_in("Ann@Example.ORG", PASSWORD)).user.display_name == "Ann"


async def test_the_passwords_themselves_are_not_kept(world: PlatformWorld) -> None:
    await world.person("ann")
    with world.database.reader.begin() as tx:
        stored = str(tx.exec_driver_sql("SELECT password_hash FROM users").scalar())
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored


@pytest.mark.parametrize(("email", "password"), [("ann@example.org", "wrong"), ("nobody@example.org", PASSWORD)])
async def test_a_refused_sign_in_does_not_say_which_half_was_wrong(
    world: PlatformWorld, email: str, password: str
) -> None:
    await world.person("ann")
    with pytest.raises(InvalidCredentials, match="Email or password is wrong"):
        await world.accounts.sign_in(email, password)


async def test_an_access_token_proves_who_it_is_until_it_expires(world: PlatformWorld) -> None:
    ann = await world.person("ann")
    token = (await world.accounts.begin_session(ann)).access_token
    principal = world.accounts.authenticate(token)
    assert isinstance(principal, UserPrincipal)
    assert (principal.user_id, principal.role) == (ann.user_id, Role.FAN)
    world.clock.advance_us(900_000_000)
    with pytest.raises(TokenExpired):
        world.accounts.authenticate(token)


async def test_a_refresh_token_works_once_and_its_second_use_ends_the_session(world: PlatformWorld) -> None:
    first = await world.accounts.begin_session(await world.person("ann"))
    second = await world.accounts.refresh(first.refresh_token)
    with pytest.raises(RefreshReused):
        await world.accounts.refresh(first.refresh_token)
    with pytest.raises(NotAuthenticated):
        await world.accounts.refresh(second.refresh_token)
    with pytest.raises(NotAuthenticated):
        world.accounts.authenticate(second.access_token)


async def test_another_session_of_the_same_user_is_left_alone(world: PlatformWorld) -> None:
    ann = await world.person("ann")
    stolen, other = await world.accounts.begin_session(ann), await world.accounts.begin_session(ann)
    await world.accounts.refresh(stolen.refresh_token)
    with pytest.raises(RefreshReused):
        await world.accounts.refresh(stolen.refresh_token)
    assert (await world.accounts.refresh(other.refresh_token)).user == ann


async def test_signing_out_ends_the_access_token_at_once_and_after_a_restart_too(world: PlatformWorld) -> None:
    session = await world.accounts.begin_session(await world.person("ann"))
    principal = world.accounts.authenticate(session.access_token)
    assert isinstance(principal, UserPrincipal)
    await world.accounts.sign_out(principal.session_id)
    with pytest.raises(NotAuthenticated):
        world.accounts.authenticate(session.access_token)
    tokens = world.accounts._tokens
    await world.accounts.start()
    assert tokens.principal(session.access_token) == principal  # the signature still holds
    with pytest.raises(NotAuthenticated):
        world.accounts.authenticate(session.access_token)


async def test_the_refresh_token_alone_signs_out(world: PlatformWorld) -> None:
    session = await world.accounts.begin_session(await world.person("ann"))
    await world.accounts.sign_out_with(session.refresh_token.rpartition(".")[0] + ".wrong")
    world.accounts.authenticate(session.access_token)
    fresh = await world.accounts.refresh(session.refresh_token)
    await world.accounts.sign_out_with(fresh.refresh_token)
    with pytest.raises(NotAuthenticated):
        await world.accounts.refresh(fresh.refresh_token)
    with pytest.raises(NotAuthenticated):
        world.accounts.authenticate(fresh.access_token)


@pytest.mark.parametrize("nonsense", ["", ".", "x", "x.y", "." * 300])
async def test_nonsense_is_no_refresh_token(world: PlatformWorld, nonsense: str) -> None:
    with pytest.raises(NotAuthenticated):
        await world.accounts.refresh(nonsense)
