"""A creator is online while a socket is open and they have not stepped away."""

from curtaincall.rooms.events import PresenceChanged
from support.platform_world import PlatformWorld


async def test_online_with_the_first_socket_and_offline_with_the_last(world: PlatformWorld) -> None:
    presence = world.presence
    await presence.opened("star")
    await presence.opened("star")
    await presence.closed("star")
    assert presence.is_online("star")
    await presence.closed("star")
    assert world.told(PresenceChanged) == [PresenceChanged("star", True), PresenceChanged("star", False)]


async def test_the_creators_own_switch(world: PlatformWorld) -> None:
    presence = world.presence
    await presence.opened("star")
    await presence.set_online("star", False)
    assert (presence.is_online("star"), presence.online()) == (False, frozenset())
    await presence.set_online("star", True)
    assert presence.online() == frozenset({"star"})


async def test_being_away_is_forgotten_with_the_last_socket(world: PlatformWorld) -> None:
    presence = world.presence
    await presence.opened("star")
    await presence.set_online("star", False)
    await presence.closed("star")
    await presence.set_online("star", False)
    await presence.opened("star")
    assert presence.is_online("star")
