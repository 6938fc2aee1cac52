"""All settings of the service: for each its name, how it is parsed, its default, and what it means.

Every process starts here: `load` reads and checks all settings before anything is opened. A setting that is unknown or
malformed, or that contradicts another, raises `ConfigurationError` with one line that names the setting, says what is
wrong with it, and says what to do. Secrets appear in no error message, in no `repr`, and not in `masked_settings`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

from sharetally import settings_urls as urls
from sharetally import settings_values as read
from sharetally.domain.errors import ConfigurationError
from sharetally.ports.vault import TokenKey
from sharetally.settings_sources import (
    PREFIX,
    RawSetting,
    load_or_create_secret,
    load_or_create_token_keys,
    read_sources,
)
from sharetally.settings_urls import Network, without_password
from sharetally.settings_values import KEY_ALGORITHMS, SECRET_ALGORITHMS, UNITS, Rate

T = TypeVar("T")
Role = Literal["serve", "worker", "relay"]

_YOUTUBE = {"video": "https://www.youtube.com/watch?v={contentId}"}


def _setting(parse: Callable[[object], T], default: object = None, *, secret: bool = False) -> T:
    return cast(T, field(metadata={"parse": parse, "default": default, "secret": secret}))


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Settings:
    """All settings, after they were checked; `load` creates them, and tests vary them with `dataclasses.replace`."""

    data_dir: Path = _setting(read.path, ".sharetally")  # noqa: RUF009  (it is a dataclass field)
    """The directory of the embedded database and the generated secret; created with mode 0700. An absolute path."""
    database_url: str = _setting(urls.database_url, secret=True)
    """`sqlite:///…`, `postgresql://…`, `mysql://…` or `mariadb://…`; by default `sharetally.db` in DATA_DIR."""
    broker_url: str = _setting(urls.broker_url, "memory:", secret=True)
    """`memory:`, `amqp://…` or `amqps://…`."""
    cache_url: str = _setting(urls.cache_url, "memory:", secret=True)
    """`memory:`, `redis://…` or `rediss://…`: holds cached counts and rate limits, and carries live updates."""
    share_platforms: tuple[str, ...] = _setting(read.platforms, "twitter,whatsapp,facebook,linkedin")
    """The allowed platforms, in the order in which they are shown; `x` means `twitter`."""
    public_url: str | None = _setting(urls.web_url)
    """The address at which the public reaches this service, without a final slash; short links need it."""
    root_path: str = _setting(urls.root_path, "/")
    """The path under which a proxy mounts this service, like `/shares`; `''` for the root."""
    trusted_proxies: tuple[Network, ...] = _setting(urls.networks, "")
    """Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` headers are trusted."""
    content_urls: Mapping[str, str] = _setting(urls.content_urls, _YOUTUBE)
    """Content type -> address of a content item, where `{contentId}` is replaced by its id."""
    link_hosts: tuple[str, ...] = _setting(urls.hosts)
    """Hosts that links may point to, `('*',)` for any host; by default the hosts of CONTENT_URLS."""
    jwt_secret: str | None = _setting(read.secret, secret=True)
    """Signs and verifies our own tokens, as UTF-8 bytes; generated if neither it nor JWKS_URL is set."""
    jwks_url: str | None = _setting(urls.key_set_url)
    """The address of the public keys (RFC 7517) of the issuer whose tokens are accepted; needs JWT_ISSUER."""
    jwt_issuer: str | None = _setting(read.text)
    """The value that `iss` must have in every token, and that our own tokens contain."""
    jwt_audience: str | None = _setting(read.text)
    """The value that `aud` must be or include in every token, and that our own tokens contain."""
    jwt_algorithms: tuple[str, ...] = _setting(read.algorithms, ("HS256",))
    """The accepted algorithms, HS* or public-key ones; by default HS256, and with JWKS_URL also RS256, ES256, EdDSA."""
    jwt_user_claim: str = _setting(read.user_claim, "sub")
    """The claim that contains the user's id."""
    jwt_scope_claim: str = _setting(read.text, "scope")
    """The claim that contains the scopes: a list, or text separated by spaces."""
    oidc_issuer: str | None = _setting(urls.issuer)
    """The OpenID provider that signs people in to the console; needs PUBLIC_URL, OIDC_CLIENT_ID and OIDC_GROUPS."""
    oidc_client_id: str | None = _setting(read.text)
    """The id under which this service is registered at the provider."""
    oidc_client_secret: str | None = _setting(read.secret, secret=True)
    """The secret with which this service authenticates at the provider; a public client has none."""
    oidc_scope: str = _setting(read.openid_scope, "openid profile email")
    """The scopes that are requested from the provider."""
    oidc_user_claim: str = _setting(read.user_claim, "sub")
    """The claim that contains the user's id."""
    oidc_groups_claim: str = _setting(read.text, "groups")
    """The claim that contains the user's groups: a list, or the name of one group."""
    oidc_groups: Mapping[str, str] | None = _setting(read.groups)
    """Group -> scopes of its members in the console; a user who is in none of these groups cannot sign in."""
    public_counts: bool = _setting(read.switch, "on")
    """Whether counts can be read without a token."""
    live_clients: int = _setting(read.number(1, 1_000_000), 20_000)
    """How many clients may follow live counts in one process; further clients are asked to come back later."""
    rate_limit: Rate | None = _setting(read.rate, "600/minute")  # noqa: RUF009
    """How many writes a user may make, like `600/minute`; None for `off`."""
    anonymous_shares: bool = _setting(read.switch, "off")
    """Whether visitors without an account get tokens; their shares are counted as `anonymous`."""
    anonymous_rate: Rate | None = _setting(read.rate, "60/hour")  # noqa: RUF009
    """How many visitor tokens one IP address may get, like `60/hour`; None for `off`."""
    cors_origins: tuple[str, ...] = _setting(urls.origins, "")
    """Origins whose pages may call this service, `('*',)` for any origin."""
    event_feed: bool = _setting(read.switch, "off")
    """Whether every job is also published to the exchange `sharetally.events`; needs a broker."""
    delivery_log_days: int = _setting(read.number(1, 3_650), 7)
    """How many days the log keeps deliveries that were discarded or cancelled."""
    outbound_proxies: bool = _setting(read.switch, "off")
    """Whether requests to other servers use the proxies of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`."""
    ops_port: int | None = _setting(read.port, "off")
    """The port at which relay and worker answer `/health` and `/metrics`; None for `off`."""
    ops_networks: tuple[Network, ...] = _setting(urls.networks, "127.0.0.0/8,::1")
    """Networks that may read `/metrics` without a token."""
    post_platforms: tuple[str, ...] = _setting(read.platforms_or_none, "")
    """Platforms on which this service posts from the accounts of its users."""
    post_private_servers: tuple[str, ...] = _setting(urls.servers, "")
    """Base URLs of servers on private addresses to which accounts may belong; all others must be on public ones."""
    token_keys: tuple[TokenKey, ...] | None = _setting(read.token_keys, secret=True)
    """Encrypt the tokens of connected accounts, newest first; with SQLite generated into DATA_DIR if not set."""
    x_client_id: str | None = _setting(read.text)
    """The id under which this service is registered at X; without it no account there can be connected."""
    x_client_secret: str | None = _setting(read.secret, secret=True)
    """The secret of that registration."""
    linkedin_client_id: str | None = _setting(read.text)
    """The id under which this service is registered at LinkedIn."""
    linkedin_client_secret: str | None = _setting(read.secret, secret=True)
    """The secret of that registration."""
    linkedin_version: str = _setting(read.api_version("20[0-9]{4}", "202609"), "202609")
    """The version of LinkedIn's API, a year and a month."""
    facebook_client_id: str | None = _setting(read.text)
    """The id of this service's app at Facebook."""
    facebook_client_secret: str | None = _setting(read.secret, secret=True)
    """The secret of that app."""
    facebook_version: str = _setting(read.api_version(r"v[0-9]{1,3}\.[0-9]", "v26.0"), "v26.0")
    """The version of Facebook's Graph API."""
    threads_client_id: str | None = _setting(read.text)
    """The id of this service's app at Threads."""
    threads_client_secret: str | None = _setting(read.secret, secret=True)
    """The secret of that app."""
    bluesky_server: str = _setting(urls.web_url, "https://bsky.social")
    """The server of a Bluesky account that is connected without naming one."""
    bluesky_directory: str = _setting(urls.web_url, "https://plc.directory")
    """The directory that says which server holds a Bluesky account."""
    mastodon_client_name: str = _setting(read.text, "Sharetally")
    """The name under which this service registers itself with each Mastodon server, and which people see there."""
    traces: str = _setting(read.choice("off", "otlp", "console"), "off")
    """Where OpenTelemetry traces are sent: `otlp` (to a collector over HTTP), `console`, or `off` for nowhere."""
    log_level: str = _setting(read.choice("debug", "info", "warning", "error"), "info")
    """The lowest level that is logged: debug, info, warning or error."""
    log_format: str | None = _setting(read.choice("console", "json"))
    """`console` or `json`; None chooses `console` on a terminal and `json` otherwise."""

    def __repr__(self) -> str:
        return f"Settings({masked_settings(self)})"

    @property
    def secret_algorithm(self) -> str:
        """The algorithm of our own tokens, and the only one for which the secret is used."""
        return next((name for name in self.jwt_algorithms if name in SECRET_ALGORITHMS), "HS256")

    @property
    def key_algorithms(self) -> tuple[str, ...]:
        """The algorithms for which the keys of JWKS_URL are used; the secret is never used for them."""
        explicit = tuple(name for name in self.jwt_algorithms if name in KEY_ALGORITHMS)
        return explicit or ("RS256", "ES256", "EdDSA")


def load(environ: Mapping[str, str], *, cwd: Path) -> Settings:
    """Read the environment and the settings file, and check all settings; opens nothing but those files."""
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
    """Add the defaults that depend on the working directory or on other settings."""
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
    """The file of the database; None if the database is not SQLite."""
    url = settings.database_url
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


# settings that contradict each other


def _check_combinations(settings: Settings, *, explicit: frozenset[str]) -> None:
    _check_algorithms(settings, explicit_choice="jwt_algorithms" in explicit)
    if settings.jwt_secret is not None:
        _check_strength(settings.jwt_secret, settings, "JWT_SECRET")
    if settings.jwks_url and not settings.jwt_issuer:
        # without it, we would accept every token that the provider signs, for any of its customers
        raise ConfigurationError(
            "JWKS_URL: set JWT_ISSUER too (and JWT_AUDIENCE), so that only its tokens are accepted"
        )
    if settings.anonymous_shares and settings.jwks_url and not settings.jwt_secret:
        raise ConfigurationError("ANONYMOUS_SHARES: set JWT_SECRET too; the tokens of visitors are signed with it")
    _check_openid(settings, explicit)
    _check_posting(settings)
    if settings.event_feed and settings.broker_url == "memory:":
        raise ConfigurationError(
            "EVENT_FEED: other services cannot read from a memory: broker; set BROKER_URL to amqp://…"
        )


def _check_openid(settings: Settings, explicit: frozenset[str]) -> None:
    if settings.oidc_issuer is None:
        for name in sorted(explicit & {"oidc_client_id", "oidc_client_secret", "oidc_groups"}):
            raise ConfigurationError(
                f"{name.upper()}: has no effect without OIDC_ISSUER; set OIDC_ISSUER too, or remove it"
            )
        return
    for name in ("oidc_client_id", "oidc_groups", "public_url"):
        if getattr(settings, name) is None:
            raise ConfigurationError(f"OIDC_ISSUER: set {name.upper()} too")


def _check_posting(settings: Settings) -> None:
    """Every platform of POST_PLATFORMS must have what it takes to post there."""
    client_settings = {
        "linkedin": ("linkedin_client_id", "linkedin_client_secret"),
        "facebook": ("facebook_client_id", "facebook_client_secret"),
        "threads": ("threads_client_id", "threads_client_secret"),
    }
    for platform in settings.post_platforms:
        if platform not in (*client_settings, "bluesky", "mastodon"):
            known = ", ".join(sorted((*client_settings, "bluesky", "mastodon")))
            raise ConfigurationError(f"POST_PLATFORMS: this version cannot post to {platform}; it can to {known}")
        for name in ("public_url", *client_settings.get(platform, ())):
            if getattr(settings, name) is None:
                raise ConfigurationError(f"POST_PLATFORMS: {platform} needs {name.upper()}; set it too")


def _check_algorithms(settings: Settings, *, explicit_choice: bool) -> None:
    uses_secret = settings.jwt_algorithms[0] in SECRET_ALGORITHMS
    if not uses_secret and not settings.jwks_url:
        raise ConfigurationError(f"JWT_ALGORITHMS: {settings.jwt_algorithms[0]} needs public keys; set JWKS_URL too")
    if explicit_choice and uses_secret and settings.jwks_url and not settings.jwt_secret:
        raise ConfigurationError(
            "JWT_ALGORITHMS: HS* tokens cannot be verified with JWKS_URL; set JWT_SECRET too, or "
            "choose other algorithms"
        )
    if uses_secret and len(settings.jwt_algorithms) > 1:
        raise ConfigurationError(
            "JWT_ALGORITHMS: a secret is used with one algorithm only; choose one of HS256, HS384, HS512"
        )


def _check_strength(secret: str, settings: Settings, where: str) -> None:
    min_bytes = _min_secret_bytes(settings)
    if len(secret.encode()) < min_bytes:
        raise ConfigurationError(
            f"{where}: shorter than the {min_bytes} bytes that {settings.secret_algorithm} needs; "
            f"create one with: openssl rand -hex {min_bytes}"
        )


def _min_secret_bytes(settings: Settings) -> int:
    """How many bytes a secret must have: as many as the hash has (RFC 7518, 3.2)."""
    return int(settings.secret_algorithm.removeprefix("HS")) // 8


def check_roles(settings: Settings, *, processes: int, role: Role) -> None:
    """Reject a database or a broker that exists in one process only, if several processes have to share it."""
    if processes < 1:
        raise ConfigurationError("--processes: must be 1 or more")
    single_process = role == "serve" and processes == 1
    command = f"{processes} processes" if role == "serve" else f"a separate {role}"
    if not single_process and sqlite_path(settings):
        raise ConfigurationError(
            f"DATABASE_URL: SQLite works with one process only, not with {command}; use postgresql:// or mysql://"
        )
    if not single_process and settings.broker_url == "memory:":
        raise ConfigurationError(f"BROKER_URL: memory: works with one process only, not with {command}; use amqp://")


def ensure_secret(settings: Settings) -> Settings:
    """If neither JWT_SECRET nor JWKS_URL is set, add the secret of DATA_DIR, which is created if it is missing."""
    if settings.jwt_secret is not None or settings.jwks_url is not None:
        return settings
    secret = load_or_create_secret(settings.data_dir, size=_min_secret_bytes(settings))
    _check_strength(secret, settings, f"DATA_DIR: {settings.data_dir / 'jwt_secret'}")
    return replace(settings, jwt_secret=secret)


def token_keys(settings: Settings) -> Sequence[TokenKey]:
    """TOKEN_KEYS, or the key of DATA_DIR, which is created if it is missing; see `stores_tokens`."""
    if settings.token_keys is not None:
        return settings.token_keys
    if not stores_tokens(settings):
        raise ConfigurationError("TOKEN_KEYS: set it, because all processes must encrypt tokens with the same keys")
    raw = load_or_create_token_keys(settings.data_dir, size=read.TOKEN_KEY_BYTES)
    try:
        return read.token_keys(raw)
    except ValueError as error:
        raise ConfigurationError(f"DATA_DIR: {settings.data_dir / 'token_keys'}: {error}") from None


def stores_tokens(settings: Settings) -> bool:
    """Whether accounts can be connected: a key is only generated where a single process uses the database."""
    return settings.token_keys is not None or sqlite_path(settings) is not None


# how settings are printed


def masked_settings(settings: Settings) -> dict[str, str]:
    """Every setting as people write it: environment variable -> text, with `***` in place of secrets."""
    return {f"{PREFIX}{each.name.upper()}": _format(settings, each.name) for each in fields(settings)}


def _format(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if value is not None and (name == "token_keys" or name.endswith("_secret")):
        return "***"
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
    return without_password(value) if name in ("database_url", "broker_url", "cache_url") else str(value)
