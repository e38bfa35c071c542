"""Every setting, in one frozen tree, read once at start and passed down; nothing else reads the environment.

Sources, strongest first: the command line, `CURTAINCALL_*` in the environment (nested with `__`, so
`CURTAINCALL_MEDIA__PORT=20000`), a TOML file (`--config` or `CURTAINCALL_CONFIG`). Unknown names are refused in all of
them, because a misspelt limit that is silently ignored is worse than no limit.
"""

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from limits import parse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

ENV_PREFIX: Final = "CURTAINCALL_"

NOT_SETTINGS: Final = frozenset({"CURTAINCALL_CONFIG", "CURTAINCALL_SERVICE_TOKEN"})
"""Names with our prefix that are not settings: the TOML file's path, and the token that tools (rtcbench) send us."""


class UnknownSetting(ValueError):
    """A `CURTAINCALL_*` name in the environment that is no setting."""


def _rate(text: str) -> str:
    parse(text)
    return text


def _address_or_empty(text: str) -> str:
    if text:
        ipaddress.ip_address(text)
    return text


Rate = Annotated[str, AfterValidator(_rate)]
"""A rate limit in the notation of `limits`: "10/minute"."""

GATEWAYS: Final = frozenset({"sandbox", "stripe"})


def _gateway_names(text: str) -> str:
    names = [name.strip() for name in text.split(",")]
    if text != "none" and (not GATEWAYS.issuperset(names) or len(set(names)) != len(names)):
        raise ValueError(f"gateways are none, or some of: {', '.join(sorted(GATEWAYS))}")
    return text


GatewayNames = Annotated[str, AfterValidator(_gateway_names)]
Address = Annotated[str, AfterValidator(_address_or_empty)]
Port = Annotated[int, Field(ge=0, le=65535)]


class _Branch(BaseModel):
    """A part of the tree: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(_Branch):
    url: SecretStr = SecretStr("")
    """`postgresql://user:password@host/name`, or `postgresql://user@/name?host=/var/run/postgresql` for a socket.
    Empty: SQLite, in the data folder."""
    writers: int = Field(default=3, ge=1, le=32)
    """Transactions that write to PostgreSQL at the same time; SQLite has one."""

    @field_validator("url")
    @classmethod
    def _of_postgresql(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("a database URL begins with postgresql://")
        return url


class ServerSettings(_Branch):
    host: str = "127.0.0.1"
    port: Port = 8080
    """0 asks the system for a free port (tests)."""
    https: bool = False
    """Serve with a locally made certificate, so that a phone on the LAN may use its camera."""
    origins: tuple[str, ...] = ()
    """Further origins whose cookie-authenticated requests are accepted, beside the server's own."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    max_body_bytes: int = Field(default=64 * 1024, ge=1024)
    max_connections: int = Field(default=10_000, ge=10)
    """HTTP and WebSocket connections at a time; more are answered 503."""
    shutdown_timeout_s: int = Field(default=10, ge=1, le=120)
    """Longest time a graceful stop may take, settlement of live calls included."""


def _node_address(text: str) -> str:
    if not NODE_ADDRESS.fullmatch(text):
        raise ValueError("a media node's address is unix:/path or host:port")
    return text


def _host_and_port(text: str) -> str:
    if not HOST_AND_PORT.fullmatch(text):
        raise ValueError("host:port, or [IPv6 address]:port")
    return text


HOST_AND_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
RELAY_URL: Final = re.compile(
    r"(?P<scheme>turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?"
    r"(\?transport=(?P<via>udp|tcp))?"
)
"""RFC 7065."""


def _relay_url(text: str) -> str:
    """Browsers speak no DTLS to a relay, so there is no `turns:` over UDP."""
    found = RELAY_URL.fullmatch(text)
    if found is None or (found["scheme"], found["via"]) == ("turns", "udp"):
        raise ValueError("a relay is turn:host:port?transport=udp, the same with tcp, or turns:host:port?transport=tcp")
    return text


RelayAddress = Annotated[str, AfterValidator(_relay_url)]


NODE_ADDRESS: Final = re.compile(r"unix:/.+|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
NodeAddress = Annotated[str, AfterValidator(_node_address)]


class ClientTls(_Branch):
    """Our certificate, and whose certificates we trust: how media nodes on other machines are reached."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @property
    def complete(self) -> bool:
        return None not in (self.ca, self.cert, self.key)


class MediaNodeSettings(_Branch):
    """Where `curtaincall media-node` listens for its control plane. Its media ports are those of `media`."""

    address: Annotated[str, AfterValidator(lambda text: _node_address(text) if text else text)] = ""
    """`unix:/path`, or `host:port` with all three files below: over TCP who has no certificate is refused. Empty:
    `media-node.sock` in the data folder."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    """Certificate authorities of control planes; best one of its own, as whoever it vouches for commands the node."""

    @model_validator(mode="after")
    def _mutual(self) -> Self:
        over_tcp = bool(self.address) and not self.address.startswith("unix:")
        if over_tcp and None in (self.tls_cert, self.tls_key, self.client_ca):
            raise ValueError("over TCP a media node needs tls_cert, tls_key and client_ca")
        return self


class MediaSettings(_Branch):
    port: Port = 10_000
    """Shard i binds UDP and TCP port + i; 0 asks the system for free ports (tests)."""
    bind_ip: Address = ""
    """Empty: the loopback interface if `public_ip` is a loopback address, all interfaces otherwise."""
    public_ip: str = ""
    """Address (or several, of both families, separated by commas) put into ICE candidates. Empty: what `stun_server`
    says and those of this machine, or 127.0.0.1 if the server listens on the loopback interface only."""
    stun_server: Annotated[str, AfterValidator(lambda text: _host_and_port(text) if text else text)] = ""
    """`host:port` of a STUN server that is asked at start as what it sees us, for a machine behind a NAT that forwards
    the media ports as they are. Asked only if `public_ip` is empty. Empty: nobody is asked."""
    shards: int = Field(default=max(1, (os.cpu_count() or 1) - 1), ge=1, le=64)
    nodes: tuple[NodeAddress, ...] = Field(default=(), max_length=256)
    """Media nodes that forward in the place of this process: `unix:/path` or `host:port`. Empty: it forwards itself."""
    nodes_tls: ClientTls = ClientTls()
    node: MediaNodeSettings = MediaNodeSettings()

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if len(set(self.nodes)) != len(self.nodes):
            raise ValueError("a media node is named once")
        if not self.nodes_tls.complete and not all(node.startswith("unix:") for node in self.nodes):
            raise ValueError("media nodes over TCP need nodes_tls.ca, nodes_tls.cert and nodes_tls.key")
        return self


class IceServer(_Branch):
    """An RTCIceServer handed to clients in JOINED."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: SecretStr | None = None


class TurnSettings(_Branch):
    """A relay (coturn with `use-auth-secret`) for those whose network lets neither UDP nor TCP to the media ports
    through: handed to clients in JOINED, with credentials of their own for a time."""

    urls: tuple[RelayAddress, ...] = Field(default=(), max_length=16)
    """`turn:host:3478?transport=udp`, the same with `tcp`, `turns:host:443?transport=tcp`: browsers try them all."""
    secret: SecretStr = SecretStr("")
    """coturn's `static-auth-secret`."""
    ttl_s: int = Field(default=12 * 3600, ge=60, le=7 * 86_400)
    """How long credentials hold: longer than a call, as its paths are renewed with those of its beginning."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.urls) != bool(self.secret.get_secret_value()):
            raise ValueError("urls and secret come together")
        return self


class RoomsSettings(_Branch):
    max_participants: int = Field(default=20, ge=2, le=10_000)
    reconnect_grace_s: int = Field(default=10, ge=0, le=300)
    """How long a conference seat waits for a participant whose socket was lost."""
    ice_servers: tuple[IceServer, ...] = ()


class AccountsSettings(_Branch):
    access_ttl_s: int = Field(default=900, ge=60, le=3600)
    refresh_ttl_s: int = Field(default=30 * 86_400, ge=3600)
    join_token_ttl_s: int = Field(default=60, ge=1, le=60)
    minimum_age_years: int = Field(default=18, ge=18)
    password_threads: int = Field(default=1, ge=1, le=16)
    """Threads that hash passwords: the bound on what a flood of log-ins can cost."""


class LimitsSettings(_Branch):
    """Rate limits. `--demo` relaxes those that were not set."""

    join_per_user: Rate = "10/minute"
    join_per_address: Rate = "60/minute"
    login_per_account: Rate = "10/minute"
    register_per_address: Rate = "120/minute"
    messages_per_connection: Rate = "200/10 seconds"
    offers_per_connection: Rate = "20/10 seconds"
    """Negotiating takes milliseconds of the time in which the media of all others is forwarded."""

    def relaxed(self) -> "LimitsSettings":
        """The limits of a demonstration: generous enough for a load test from one address."""
        generous = {
            name: "100000/minute"
            for name in ("join_per_user", "join_per_address", "login_per_account", "register_per_address")
            if name not in self.model_fields_set
        }
        return self.model_copy(update=generous)


class ChargingSettings(_Branch):
    """Figures of the tariff and of the quota. Creators set price, minimum and increment themselves."""

    fee_bp: int = Field(default=2000, ge=0, le=10_000)
    """The platform's share in basis points."""
    default_minimum_ms: int = Field(default=60_000, ge=0)
    default_increment_ms: int = Field(default=1000, ge=1)
    first_hold_ms: int = Field(default=60_000, ge=10_000)
    slice_ms: int = Field(default=30_000, ge=1000)
    ask_early_ms: int = Field(default=15_000, ge=1000)
    """A renewal is asked for when no more than this is left of the grant."""
    ring_ms: int = Field(default=60_000, ge=1000)
    connect_ms: int = Field(default=30_000, ge=1000)
    pause_ms: int = Field(default=30_000, ge=1000)
    lease_ms: int = Field(default=5000, ge=500, le=5000)
    renew_every_ms: int = Field(default=2000, ge=200, le=4000)
    max_sessions: int = Field(default=20_000, ge=1, le=1_000_000)
    """The most calls that may be open at a time."""
    payment_failure_policy: Literal["immediate", "at_paid_until"] = "immediate"
    """What a running call does when the gateway declines to charge the payer's card: end at once, or when what was paid
    is used up. An operator, or `terminate-stream`, ends it at once in any case."""


class SandboxSettings(_Branch):
    """How the sandbox gateway behaves; see `payments/sandbox/rules.py`."""

    seed: int = Field(default=1, ge=0)
    """Decides which webhooks come twice, late, and in which order."""
    webhook_secret: SecretStr = SecretStr("")
    """Signs its webhooks. Empty: made at the first start, and kept in the data folder."""
    settle_after_s: int = Field(default=3, ge=0, le=31 * 86_400)
    dispute_after_s: int = Field(default=5, ge=0, le=365 * 86_400)
    decide_after_s: int = Field(default=120, ge=0, le=365 * 86_400)
    payout_after_s: int = Field(default=5, ge=0, le=31 * 86_400)


class StripeSettings(_Branch):
    """Whose account at Stripe, for `payments.gateway` with `stripe` in it: all but `api_base` are needed then."""

    secret_key: SecretStr = SecretStr("")
    publishable_key: str = ""
    webhook_secret: SecretStr = SecretStr("")
    """Of the endpoint `/api/webhooks/stripe`, as Stripe's dashboard shows it."""
    return_url: str = ""
    """Where a card holder comes back to after confirming at the bank: the address of this site's wallet page."""
    api_base: str = ""
    """Another server of the same API (tests); empty for Stripe's own."""

    @property
    def complete(self) -> bool:
        secrets = (self.secret_key, self.webhook_secret)
        return all(secret.get_secret_value() for secret in secrets) and bool(self.publishable_key and self.return_url)


class PaymentsSettings(_Branch):
    gateway: GatewayNames = "none"
    """`none`, or gateways by name, separated by commas: `sandbox`, `stripe`. The first that can is asked for payouts.
    `sandbox` moves no real money: outside `--demo` it has to be asked for by name."""
    release_after_days: int = Field(default=7, ge=0, le=365)
    """How long earnings wait until they may be paid out. With `--demo` 0, unless it is set."""
    webhook_tolerance_s: int = Field(default=300, ge=1, le=3600)
    """How old, or how far ahead of our clock, the signature of a webhook may be."""
    sandbox: SandboxSettings = SandboxSettings()
    stripe: StripeSettings = StripeSettings()

    @model_validator(mode="after")
    def _stripe_is_complete(self) -> Self:
        if "stripe" in self.gateways and not self.stripe.complete:
            raise ValueError("stripe needs secret_key, publishable_key, webhook_secret and return_url")
        return self

    def for_demo(self) -> "PaymentsSettings":
        """With the sandbox, and earnings that can be paid out at once, where nothing else was set."""
        demo = {"gateway": "sandbox", "release_after_days": 0}
        return self.model_copy(update={name: demo[name] for name in demo if name not in self.model_fields_set})

    @property
    def gateways(self) -> tuple[str, ...]:
        """The names of the gateways that are switched on."""
        return () if self.gateway == "none" else tuple(name.strip() for name in self.gateway.split(","))


class SubscriptionsSettings(_Branch):
    """When subscriptions are renewed, and how long a declined one is kept."""

    renew_ahead_s: int = Field(default=3600, ge=0, le=7 * 86_400)
    """A renewal is charged so long before the period's end, so that nothing lapses between."""
    retry_days: tuple[Annotated[int, Field(ge=0, le=60)], ...] = Field(default=(1, 3, 5, 7), max_length=10)
    """Days after the period's end on which a declined renewal is tried again."""
    grace_days: int = Field(default=8, ge=0, le=60)
    """Days after the period's end for which a subscriber keeps what is not paid; then the subscription ends."""
    tick_s: float = Field(default=30.0, ge=0.1, le=3600)
    """How often it is looked for what is due."""


class GrpcSettings(_Branch):
    """The Monetization Service that we serve."""

    host: str = "127.0.0.1"
    port: Port = 50_054
    """0 asks the system for a free port (tests)."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    """Certificate authorities of clients: with it, every client shows a certificate, whose common name is its name."""
    validity_s: int = Field(default=60, ge=5, le=3_600)
    """A credit session that says nothing for so long is settled at the units it last reported."""
    max_streams: int = Field(default=2_000, ge=1, le=100_000)
    """Seats watched at a time (WatchPaymentStatus)."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key come together")
        if self.client_ca is not None and self.tls_cert is None:
            raise ValueError("client_ca needs tls_cert and tls_key")
        return self


class MonetizationSettings(_Branch):
    """Somebody else's Monetization Service, asked beside our own ledger whether a call is paid for. Off by default."""

    address: Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$|^$")] = ""
    """`host:port`. Once it is set, nobody joins a paid call without its word, and its silence ends calls."""
    token: SecretStr = SecretStr("")
    """Sent as `authorization: Bearer`."""
    tls: bool = False
    """Speak TLS, trusting the system's certificate authorities or `tls_ca`."""
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    """Our own certificate, where the server wants one."""
    validity_s: int = Field(default=30, ge=2, le=300)
    """How long its last good word holds: after that much silence the call is cut."""
    poll_every_s: int = Field(default=10, ge=1, le=30)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key come together")
        if (self.tls_ca or self.tls_cert) and not self.tls:
            raise ValueError("tls_ca and tls_cert need tls")
        if self.poll_every_s >= self.validity_s:
            raise ValueError("poll_every_s has to be below validity_s, or every call is cut between two polls")
        return self


class PackagerSettings(_Branch):
    port: Port = 8081


class Settings(BaseSettings):
    """The whole tree. Made by `load`; frozen from then on."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__", validate_default=True
    )

    data_dir: Path = Path("data")
    demo: bool = False
    currency: str = Field(default="EUR", pattern="^[A-Z]{3}$")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    database: DatabaseSettings = DatabaseSettings()
    server: ServerSettings = ServerSettings()
    media: MediaSettings = MediaSettings()
    turn: TurnSettings = TurnSettings()
    rooms: RoomsSettings = RoomsSettings()
    accounts: AccountsSettings = AccountsSettings()
    limits: LimitsSettings = LimitsSettings()
    charging: ChargingSettings = ChargingSettings()
    payments: PaymentsSettings = PaymentsSettings()
    subscriptions: SubscriptionsSettings = SubscriptionsSettings()
    grpc: GrpcSettings = GrpcSettings()
    monetization: MonetizationSettings = MonetizationSettings()
    packager: PackagerSettings = PackagerSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, then environment, then the TOML file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    def redacted(self) -> dict[str, Any]:
        """The tree for the log at start: secrets show as asterisks."""
        return self.model_dump(mode="json")


def load(config_file: Path | None = None, **overrides: Any) -> Settings:
    """Read all sources once.

    Raises UnknownSetting, pydantic's ValidationError, FileNotFoundError for a missing `config_file`.
    """
    refuse_unknown_names(os.environ)
    named = config_file or (Path(os.environ["CURTAINCALL_CONFIG"]) if "CURTAINCALL_CONFIG" in os.environ else None)
    if named is not None and not named.is_file():
        raise FileNotFoundError(f"No settings file at {named}.")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=named)

    tree = FromFile(**overrides)
    if not tree.demo:
        return tree
    return tree.model_copy(update={"limits": tree.limits.relaxed(), "payments": tree.payments.for_demo()})


def refuse_unknown_names(environment: Mapping[str, str]) -> None:
    """Raise UnknownSetting for a `CURTAINCALL_*` name that is neither a setting nor in `NOT_SETTINGS`."""
    known = set(_names(Settings, ENV_PREFIX)) | NOT_SETTINGS
    unknown = sorted(name for name in environment if name.upper().startswith(ENV_PREFIX) and name.upper() not in known)
    if unknown:
        raise UnknownSetting(f"Unknown settings in the environment: {', '.join(unknown)}.")


def _names(tree: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in tree.model_fields.items():
        yield (prefix + name).upper()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{prefix}{name}__")
