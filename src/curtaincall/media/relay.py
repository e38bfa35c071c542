"""The relay (coturn): who may use it, and for how long.

Media for whom neither UDP nor TCP reaches goes through a TURN server of the operator's. It shares a secret with us and
takes credentials that we sign with it (coturn's `use-auth-secret`, draft-uberti-behave-turn-rest-00): the name says
until when they hold, the password proves that we said so. Nothing is stored on either side.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from curtaincall.settings import RELAY_URL


class Carrier(StrEnum):
    """What carries TURN between a client and the relay."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class RelayUrl:
    """A TURN URL (RFC 7065), taken apart."""

    host: str
    port: int
    carrier: Carrier


@dataclass(frozen=True, slots=True)
class RelayCredentials:
    username: str
    password: str


USUAL_PORTS: Final = {"turn": 3478, "turns": 5349}


def parse_url(url: str) -> RelayUrl:
    """Take a URL of the settings apart. Raises ValueError for what is none."""
    found = RELAY_URL.fullmatch(url)
    if found is None:
        raise ValueError(f"not a TURN URL: {url}")
    scheme, via = found["scheme"], found["via"]
    carrier = Carrier.TLS if scheme == "turns" else Carrier(via or "udp")
    return RelayUrl(found["host"].strip("[]"), int(found["port"] or USUAL_PORTS[scheme]), carrier)


def credentials(secret: str, user_id: str, now_s: int, ttl_s: int) -> RelayCredentials:
    """Credentials of this user that the relay takes for the next `ttl_s`."""
    username = f"{now_s + ttl_s}:{user_id}"
    proof = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return RelayCredentials(username, base64.b64encode(proof).decode())
