"""People of all kinds, as the public REST API sees them: a service, creators, fans."""

import itertools
import uuid
from dataclasses import dataclass
from typing import Any

import httpx

PASSWORD = "correct horse battery staple"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in user."""

    user_id: str
    email: str
    token: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class People:
    """Registers users and does what they do. Every method asserts success; use `http` to see a refusal."""

    def __init__(self, url: str, service_token: str) -> None:
        self.url = url
        self.service_token = service_token
        self.http = httpx.AsyncClient(base_url=url, verify=False, timeout=30)
        self._numbers = itertools.count()

    async def close(self) -> None:
        await self.http.aclose()

    @property
    def service(self) -> dict[str, str]:
        """The headers of a service (Bearer of `curtaincall token`)."""
        return {"Authorization": f"Bearer {self.service_token}"}

    async def register(self, role: str, name: str = "") -> Person:
        number = next(self._numbers)
        email = f"{role}-{number}-{uuid.uuid4().hex[:8]}@example.org"
        body = {
            "email": email,
            "password": PASSWORD,
            "displayName": name or f"{role.title()} {number}",
            "role": role,
            "birthDate": "1990-01-31",
        }
        answer = await self._post("/api/auth/register", body, {}, 201)
        self.http.cookies.clear()  # each request says by its own headers who asks
        return Person(answer["userId"], email, answer["accessToken"])

    async def creator(self, *, price_per_minute_minor: int = 300, **rates: object) -> Person:
        """A creator with rates (further ones by their name on the wire, such as `minimumMs`)."""
        creator = await self.register("creator")
        body = {"pricePerMinuteMinor": price_per_minute_minor, "currency": "EUR", **rates}
        answer = await self.http.put("/api/creator/rates", json=body, headers=creator.bearer)
        assert answer.status_code == 200, answer.text
        return creator

    async def fan(self, *, balance_minor: int = 0) -> Person:
        """A fan with this much in the wallet."""
        fan = await self.register("fan")
        if balance_minor:
            assert await self.top_up(fan, balance_minor) == "succeeded"
        return fan

    async def top_up(self, fan: Person, amount_minor: int, *, card: str = "pm_card_visa") -> str:
        """Pay into the wallet with a new card; returns the status."""
        return await self.pay_in(fan, amount_minor, await self.save_card(fan, card))

    async def save_card(self, fan: Person, card: str = "pm_card_visa") -> str:
        """Keep a card for later, of which a user may have so many; returns its id."""
        body = {"gateway": "sandbox", "token": card}
        method = await self._post("/api/wallet/payment-methods", body, fan.bearer, 201, keyed=True)
        return str(method["paymentMethodId"])

    async def pay_in(self, fan: Person, amount_minor: int, payment_method_id: str) -> str:
        """Pay into the wallet with a card that was kept; returns the status."""
        body = {"amountMinor": amount_minor, "currency": "EUR", "paymentMethodId": payment_method_id}
        answer = await self._post("/api/wallet/top-ups", body, fan.bearer, 201, keyed=True)
        return str(answer["status"])

    async def wallet(self, person: Person) -> Json:
        return await self.get("/api/wallet", person)

    async def request_call(self, fan: Person, creator: Person) -> Json:
        return await self._post("/api/calls", {"modelId": creator.user_id}, fan.bearer, 201, keyed=True)

    async def accept_call(self, creator: Person, call_id: str) -> Json:
        return await self._post(f"/api/calls/{call_id}/accept", {}, creator.bearer, 200, keyed=True)

    async def end_call(self, person: Person, call_id: str) -> Json:
        return await self._post(f"/api/calls/{call_id}/end", {}, person.bearer, 200, keyed=True)

    async def call(self, person: Person, call_id: str) -> Json:
        return await self.get(f"/api/calls/{call_id}", person)

    async def receipt(self, person: Person, call_id: str) -> Json:
        return await self.get(f"/api/calls/{call_id}/receipt", person)

    async def conference(self, room_id: str, *, max_participants: int = 20) -> Json:
        body = {"kind": "conference", "roomId": room_id, "maxParticipants": max_participants}
        return await self._post("/api/rooms", body, self.service, 201)

    async def subscribe(self, fan: Person, creator: Person) -> Json:
        """With the card that the fan saved last."""
        methods = (await self.get("/api/wallet/payment-methods", fan))["items"]
        body = {"modelId": creator.user_id, "paymentMethodId": methods[-1]["paymentMethodId"]}
        return await self._post("/api/subscriptions", body, fan.bearer, 201, keyed=True)

    async def battle(self, host: Person, *, entry_fee_minor: int = 0) -> Json:
        body = {"kind": "battle", "title": "Friday night", "entryFeeMinor": entry_fee_minor}
        return await self._post("/api/rooms", body, host.bearer, 201)

    async def tip(self, fan: Person, creator: Person, room_id: str, amount_minor: int) -> Json:
        body = {"to": creator.user_id, "amountMinor": amount_minor, "currency": "EUR"}
        return await self._post(f"/api/rooms/{room_id}/tips", body, fan.bearer, 201, keyed=True)

    async def join_token(self, room_id: str, user_id: str) -> str:
        """A join token for any user, as the back end of an embedding site asks for it."""
        body = {"isSpectator": False, "userId": user_id}
        answer = await self._post(f"/api/rooms/{room_id}/join-token", body, self.service, 200)
        return str(answer["token"])

    async def terminate(self, room_id: str, user_id: str, reason: str) -> Json:
        body = {"roomId": room_id, "userId": user_id, "reason": reason}
        return await self._post("/api/rtc/terminate-stream", body, self.service, 200)

    async def get(self, path: str, person: Person) -> Json:
        answer = await self.http.get(path, headers=person.bearer)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    async def _post(self, path: str, body: Json, headers: dict[str, str], status: int, *, keyed: bool = False) -> Json:
        if keyed:
            headers = {**headers, "Idempotency-Key": uuid.uuid4().hex}
        answer = await self.http.post(path, json=body, headers=headers)
        assert answer.status_code == status, f"POST {path}: {answer.status_code} {answer.text}"
        return dict(answer.json())
