"""Every knob of the service, once: its name, its grammar, its default and what it means.

Stands before everything else: `load` reads and checks, and only then does a process open anything. What
is unknown, malformed or cannot work together raises `ConfigurationError` with one line that names the setting,
the trouble and the mend. Secrets appear in no message, no `repr` and no `masked_settings` table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

from sharetally import settings_urls as urls
from sharetally import settings_values as read
from sharetally.domain.errors import ConfigurationError
from sharetally.settings_sources import PREFIX, RawSetting, load_or_create_secret, read_sources
from sharetally.settings_urls import Network, without_password
from sharetally.settings_values import KEY_ALGORITHMS, SECRET_ALGORITHMS, UNITS, Rate

T = TypeVar("T")
Role = Literal["serve", "worker", "relay"]

_YOUTUBE = {"video": "https://www.youtube.com/watch?v={contentId}"}


def _setting(parse: Callable[[object], T], default: object = None, *, secret: bool = False) -> T:
    return cast(T, field(metadata={"parse": parse, "default": default, "secret": secret}))


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Settings:
    """All settings, checked; `load` makes them, `dataclasses.replace` varies them in tests."""

    data_dir: Path = _setting(read.path, ".sharetally")  # noqa: RUF009  (it is a dataclass field)
    """Where the embedded database and the generated secret live; made with mode 0700. Absolute."""
    database_url: str = _setting(urls.database_url, secret=True)
    """`sqlite:///…`, `postgresql://…`, `mysql://…` or `mariadb://…`; default `sharetally.db` in DATA_DIR."""
    broker_url: str = _setting(urls.broker_url, "memory:", secret=True)
    """`memory:`, `amqp://…` or `amqps://…`."""
    cache_url: str = _setting(urls.cache_url, "memory:", secret=True)
    """`memory:`, `redis://…` or `rediss://…`: cached counts, live changes, the shared rate limit."""
    share_platforms: tuple[str, ...] = _setting(read.platforms, "twitter,whatsapp,facebook,linkedin")
    """The platforms that are allowed, in the order they are shown; `x` is `twitter`."""
    public_url: str | None = _setting(urls.web_url)
    """Where the world reaches this service, without a slash at the end; short links need it."""
    root_path: str = _setting(urls.root_path, "/")
    """The path under which a proxy mounts this service, like `/shares`; `''` at the top."""
    trusted_proxies: tuple[Network, ...] = _setting(urls.networks, "")
    """Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    content_urls: Mapping[str, str] = _setting(urls.content_urls, _YOUTUBE)
    """Content type -> address of a content, `{contentId}` standing for its id."""
    link_hosts: tuple[str, ...] = _setting(urls.hosts)
    """Hosts that links may point to, `('*',)` for any; default those of CONTENT_URLS."""
    jwt_secret: str | None = _setting(read.secret, secret=True)
    """Signs and verifies our own tokens (its UTF-8 bytes); generated if there is neither it nor JWKS_URL."""
    jwks_url: str | None = _setting(urls.key_set_url)
    """The public keys (RFC 7517) of the issuer whose tokens are accepted; needs JWT_ISSUER."""
    jwt_issuer: str | None = _setting(read.text)
    """What `iss` must be in every token, and is in those we sign."""
    jwt_audience: str | None = _setting(read.text)
    """What `aud` must be or hold in every token, and is in those we sign."""
    jwt_algorithms: tuple[str, ...] = _setting(read.algorithms, ("HS256",))
    """Accepted algorithms, HS* or public-key ones; default HS256, with JWKS_URL also RS256, ES256, EdDSA."""
    jwt_user_claim: str = _setting(read.user_claim, "sub")
    """The claim that holds the user's id."""
    jwt_scope_claim: str = _setting(read.text, "scope")
    """The claim that holds the scopes: text with spaces, or a list."""
    oidc_issuer: str | None = _setting(urls.issuer)
    """The OpenID provider that signs people in to the console; needs PUBLIC_URL and the next ones."""
    oidc_client_id: str | None = _setting(read.text)
    """What the provider calls this service."""
    oidc_client_secret: str | None = _setting(read.secret, secret=True)
    """What this service proves that with; a public client has none."""
    oidc_scope: str = _setting(read.openid_scope, "openid profile email")
    """What the provider is asked for."""
    oidc_user_claim: str = _setting(read.user_claim, "sub")
    """The claim that holds the user's id."""
    oidc_groups_claim: str = _setting(read.text, "groups")
    """The claim that holds the groups: a list, or one text."""
    oidc_groups: Mapping[str, str] | None = _setting(read.groups)
    """Group -> scopes of the console; who is in none of these groups gets in nowhere."""
    public_counts: bool = _setting(read.switch, "on")
    """Whether counts can be read without a token."""
    live_clients: int = _setting(read.number(1, 1_000_000), 20_000)
    """Clients that may follow live counts in one process; more are told to come again later."""
    rate_limit: Rate | None = _setting(read.rate, "600/minute")  # noqa: RUF009
    """Writes a user may make, like `600/minute`; None when `off`."""
    anonymous_shares: bool = _setting(read.switch, "off")
    """Whether visitors without an account get a token of their own, and their shares count as `anonymous`."""
    anonymous_rate: Rate | None = _setting(read.rate, "60/hour")  # noqa: RUF009
    """Visitors that one address may name, like `60/hour`; None when `off`."""
    cors_origins: tuple[str, ...] = _setting(urls.origins, "")
    """Origins whose pages may call this service, `('*',)` for any."""
    event_feed: bool = _setting(read.switch, "off")
    """Whether every job is also published to the exchange `sharetally.events`; needs a broker."""
    outbound_proxies: bool = _setting(read.switch, "off")
    """Whether requests to other servers go through the proxies that `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` name."""
    ops_port: int | None = _setting(read.port, "off")
    """Where relay and worker answer `/health` and `/metrics`; None when `off`."""
    ops_networks: tuple[Network, ...] = _setting(urls.networks, "127.0.0.0/8,::1")
    """Networks that read `/metrics` without a token."""
    traces: str = _setting(read.choice("off", "otlp", "console"), "off")
    """Where OpenTelemetry traces go: `otlp` (to a collector, over HTTP), `console` or nowhere."""
    log_level: str = _setting(read.choice("debug", "info", "warning", "error"), "info")
    """The least severe that is logged: debug, info, warning or error."""
    log_format: str | None = _setting(read.choice("console", "json"))
    """`console` or `json`; None: `console` on a terminal, else `json`."""

    def __repr__(self) -> str:
        return f"Settings({masked_settings(self)})"

    @property
    def secret_algorithm(self) -> str:
        """What our own tokens are signed with, and the one algorithm that the secret verifies."""
        return next((name for name in self.jwt_algorithms if name in SECRET_ALGORITHMS), "HS256")

    @property
    def key_algorithms(self) -> tuple[str, ...]:
        """What keys of JWKS_URL verify; the secret never does."""
        explicit = tuple(name for name in self.jwt_algorithms if name in KEY_ALGORITHMS)
        return explicit or ("RS256", "ES256", "EdDSA")


def load(environ: Mapping[str, str], *, cwd: Path) -> Settings:
    """Read the environment and the settings file, and check all of it; touches nothing but those files."""
    fields_by_name = {setting.name: setting for setting in fields(Settings)}
    secret = [name for name, setting in fields_by_name.items() if setting.metadata["secret"]]
    raw_values = read_sources(environ, cwd=cwd, names=fields_by_name, secret=secret)
    values = {name: _parse_value(setting, raw_values.get(name)) for name, setting in fields_by_name.items()}
    settings = Settings(**_with_defaults(values, cwd))
    _check_combinations(settings, explicit=frozenset(raw_values))
    return settings


def _parse_value(setting: Field[object], raw: RawSetting | None) -> object:
    parse: Callable[[object], object] = setting.metadata["parse"]
    default = setting.metadata["default"]
    if raw is None:
        return None if default is None else parse(default)
    try:
        return parse(raw.value)
    except ValueError as error:
        raise ConfigurationError(f"{raw.where}: {error}") from None


def _with_defaults(values: dict[str, object], cwd: Path) -> dict[str, Any]:
    """Fill in what depends on where we are and on other settings."""
    data_dir = (cwd / cast(Path, values["data_dir"])).absolute()
    url = cast("str | None", values["database_url"]) or f"sqlite:///{data_dir / 'sharetally.db'}"
    if url.startswith("sqlite:///"):
        url = f"sqlite:///{(cwd / url.removeprefix('sqlite:///')).absolute()}"
    content_urls = cast(Mapping[str, str], values["content_urls"])
    hosts = values["link_hosts"]
    if hosts is None:
        hosts = tuple(dict.fromkeys(urlsplit(each).hostname or "" for each in content_urls.values()))
    return {**values, "data_dir": data_dir, "database_url": url, "link_hosts": hosts}


def sqlite_path(settings: Settings) -> Path | None:
    """The database's file; None if the database is no SQLite."""
    url = settings.database_url
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


# what cannot work together


def _check_combinations(settings: Settings, *, explicit: frozenset[str]) -> None:
    _check_algorithms(settings, explicit_choice="jwt_algorithms" in explicit)
    if settings.jwt_secret is not None:
        _check_strength(settings.jwt_secret, settings, "JWT_SECRET")
    if settings.jwks_url and not settings.jwt_issuer:
        # without it, a provider's key set accepts whomever the provider serves
        raise ConfigurationError("JWKS_URL: set JWT_ISSUER too (and JWT_AUDIENCE), to say whose tokens are meant")
    if settings.anonymous_shares and settings.jwks_url and not settings.jwt_secret:
        raise ConfigurationError("ANONYMOUS_SHARES: set JWT_SECRET too: tokens of visitors are signed with it")
    _check_openid(settings, explicit)
    if settings.event_feed and settings.broker_url == "memory:":
        raise ConfigurationError("EVENT_FEED: nobody can listen to a memory: broker; set BROKER_URL to amqp://…")


def _check_openid(settings: Settings, explicit: frozenset[str]) -> None:
    if settings.oidc_issuer is None:
        for name in sorted(explicit & {"oidc_client_id", "oidc_client_secret", "oidc_groups"}):
            raise ConfigurationError(f"{name.upper()}: set OIDC_ISSUER too, to say whose sign-in is meant")
        return
    for name in ("oidc_client_id", "oidc_groups", "public_url"):
        if getattr(settings, name) is None:
            raise ConfigurationError(f"OIDC_ISSUER: set {name.upper()} too")


def _check_algorithms(settings: Settings, *, explicit_choice: bool) -> None:
    uses_secret = settings.jwt_algorithms[0] in SECRET_ALGORITHMS
    if not uses_secret and not settings.jwks_url:
        raise ConfigurationError(f"JWT_ALGORITHMS: {settings.jwt_algorithms[0]} needs public keys; set JWKS_URL")
    if explicit_choice and uses_secret and settings.jwks_url and not settings.jwt_secret:
        raise ConfigurationError("JWT_ALGORITHMS: JWKS_URL cannot verify HS*; set JWT_SECRET or name others")
    if uses_secret and len(settings.jwt_algorithms) > 1:
        raise ConfigurationError("JWT_ALGORITHMS: one secret has one algorithm; name one of HS256, HS384, HS512")


def _check_strength(secret: str, settings: Settings, where: str) -> None:
    min_bytes = _min_secret_bytes(settings)
    if len(secret.encode()) < min_bytes:
        raise ConfigurationError(
            f"{where}: shorter than the {min_bytes} bytes that {settings.secret_algorithm} needs; "
            "make one with: openssl rand -hex 32"
        )


def _min_secret_bytes(settings: Settings) -> int:
    """Bytes that a secret must have: as many as the hash (RFC 7518, 3.2)."""
    return int(settings.secret_algorithm.removeprefix("HS")) // 8


def check_roles(settings: Settings, *, processes: int, role: Role) -> None:
    """Refuse what lives in one process's memory or file when several processes are to share it."""
    if processes < 1:
        raise ConfigurationError("--processes: must be 1 or more")
    single_process = role == "serve" and processes == 1
    command = f"{processes} processes" if role == "serve" else f"a separate {role}"
    if not single_process and sqlite_path(settings):
        raise ConfigurationError(
            f"DATABASE_URL: SQLite serves one process and {command} cannot share it; use postgresql:// or mysql://"
        )
    if not single_process and settings.broker_url == "memory:":
        raise ConfigurationError(f"BROKER_URL: memory: lives in one process and {command} cannot reach it; use amqp://")


def ensure_secret(settings: Settings) -> Settings:
    """With neither JWT_SECRET nor JWKS_URL, add the secret of DATA_DIR, made if it is not there yet."""
    if settings.jwt_secret is not None or settings.jwks_url is not None:
        return settings
    secret = load_or_create_secret(settings.data_dir, size=_min_secret_bytes(settings))
    _check_strength(secret, settings, f"DATA_DIR: {settings.data_dir / 'jwt_secret'}")
    return replace(settings, jwt_secret=secret)


# how settings are shown


def masked_settings(settings: Settings) -> dict[str, str]:
    """Every setting as people write it, `***` for each secret: name in the environment -> text."""
    return {f"{PREFIX}{each.name.upper()}": _format(settings, each.name) for each in fields(settings)}


def _format(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    match value:
        case None:
            return "not set"
        case bool():
            return "on" if value else "off"
        case Rate():
            unit = next(unit for unit, seconds in UNITS.items() if seconds == value.window)
            return f"{value.limit}/{unit}"
        case tuple():
            return ",".join(str(item) for item in value)
        case Mapping():
            return json.dumps(dict(value))
    if name in ("jwt_secret", "oidc_client_secret"):
        return "***"
    return without_password(value) if name in ("database_url", "broker_url", "cache_url") else str(value)
