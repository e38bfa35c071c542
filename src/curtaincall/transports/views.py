"""How things look on the wire, in REST and in WebSocket messages alike (protocol.md): camelCase, RFC 3339 times."""

from curtaincall.charging.views import SessionView
from curtaincall.kernel.clock import rfc3339
from curtaincall.media.relay import credentials
from curtaincall.payments.model import Wallet
from curtaincall.purchases.model import Tip
from curtaincall.rooms.model import Seat
from curtaincall.settings import IceServer, TurnSettings

Wire = dict[str, object]


def moment(epoch_ms: int | None) -> str | None:
    return None if epoch_ms is None else rfc3339(epoch_ms)


def person(seat: Seat) -> Wire:
    return {"userId": seat.user_id, "role": seat.role.value, "displayName": seat.display_name}


def ice_server(server: IceServer) -> Wire:
    """An RTCIceServer; a secret is revealed here, to the client it is for."""
    shown: Wire = {"urls": list(server.urls)}
    if server.username is not None:
        shown["username"] = server.username
    if server.credential is not None:
        shown["credential"] = server.credential.get_secret_value()
    return shown


def relay(turn: TurnSettings, user_id: str, now_ms: int) -> list[Wire]:
    """The operator's relay, as an RTCIceServer that this user may use for a time; empty if there is none."""
    if not turn.urls:
        return []
    mine = credentials(turn.secret.get_secret_value(), user_id, now_ms // 1000, turn.ttl_s)
    return [{"urls": list(turn.urls), "username": mine.username, "credential": mine.password}]


def session_for_payer(view: SessionView, wallet: Wallet) -> Wire:
    return {
        "sessionId": view.session_id,
        "state": view.state.value,
        "pricePerMinuteMinor": view.price_per_minute_minor,
        "currency": view.currency,
        "paidUntil": moment(view.paid_until_ms),
        "grantedMs": view.granted_ms,
        "usedMs": view.used_ms,
        "includedMs": view.included_ms,
        "balanceMinor": wallet.balance_minor,
    }


def session_for_creator(view: SessionView) -> Wire:
    """Never the fan's balance; `paidUntil` only to tell whether time runs."""
    return {
        "sessionId": view.session_id,
        "state": view.state.value,
        "paidUntil": moment(view.paid_until_ms),
        "usedMs": view.used_ms,
        "earnedMinor": view.creator_minor,
        "currency": view.currency,
    }


def session_for(view: SessionView, user_id: str, wallet: Wallet | None) -> Wire:
    """The session as this participant may see it; the payer's needs the wallet."""
    if user_id == view.payer_id and wallet is not None:
        return session_for_payer(view, wallet)
    return session_for_creator(view)


def wallet_view(wallet: Wallet) -> Wire:
    return {
        "currency": wallet.currency,
        "balanceMinor": wallet.balance_minor,
        "heldMinor": wallet.held_minor,
        "availableMinor": wallet.available_minor,
    }


def call_requested(view: SessionView, fan_name: str) -> Wire:
    return {
        "type": "CALL_REQUESTED",
        "callId": view.session_id,
        "roomId": view.room_id,
        "fan": {"userId": view.payer_id, "displayName": fan_name},
        "pricePerMinuteMinor": view.price_per_minute_minor,
        "currency": view.currency,
        "expiresAt": moment(view.expires_at_ms),
    }


def call_state(view: SessionView) -> Wire:
    return {
        "type": "CALL_STATE",
        "callId": view.session_id,
        "roomId": view.room_id,
        "state": view.state.value,
        "endedReason": None if view.end_reason is None else view.end_reason.value,
    }


def presence(user_id: str, online: bool) -> Wire:
    return {"type": "PRESENCE", "modelId": user_id, "online": online}


def tip(given: Tip) -> Wire:
    return {
        "type": "TIP",
        "tipId": given.tip_id,
        "from": given.from_id,
        "to": given.to_id,
        "amountMinor": given.amount_minor,
        "currency": given.currency,
        "message": given.message,
    }
