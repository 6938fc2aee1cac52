"""Settings: every source, every grammar, every pair that cannot work together, and no secret ever shown."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path

import pytest

from sharetally.domain.errors import ConfigurationError
from sharetally.domain.spending import DOLLAR, Budget
from sharetally.settings import (
    Role,
    Settings,
    check_roles,
    ensure_secret,
    load,
    masked_settings,
    sqlite_path,
    stores_tokens,
    token_keys,
)
from sharetally.settings_values import Rate
from sharetally.wiring_posting import create_connectors, posting_outbound

STRONG = "0123456789abcdef0123456789abcdef"
ISSUER = {
    "SHARETALLY_JWKS_URL": "https://id.example/jwks.json",
    "SHARETALLY_JWT_ISSUER": "https://id.example",
}


OPENID = {
    "SHARETALLY_OIDC_ISSUER": "https://login.example",
    "SHARETALLY_OIDC_CLIENT_ID": "sharetally",
    "SHARETALLY_OIDC_GROUPS": '{"staff": "audit  analytics audit"}',
    "SHARETALLY_PUBLIC_URL": "https://shares.example",
}


def load_settings(cwd: Path, **values: str) -> Settings:
    return load({f"SHARETALLY_{name.upper()}": value for name, value in values.items()}, cwd=cwd)


def load_error(environ: Mapping[str, str], cwd: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(environ, cwd=cwd)
    assert "\n" not in caught.value.detail
    return caught.value.detail


# sources


def test_without_any_setting_everything_is_embedded(tmp_path: Path) -> None:
    settings = load({}, cwd=tmp_path)
    assert settings.data_dir == tmp_path / ".sharetally"
    assert sqlite_path(settings) == tmp_path / ".sharetally" / "sharetally.db"
    assert settings.database_url == f"sqlite:///{tmp_path}/.sharetally/sharetally.db"
    assert (settings.broker_url, settings.cache_url) == ("memory:", "memory:")
    assert settings.share_platforms == ("twitter", "whatsapp", "facebook", "linkedin")
    assert settings.content_urls == {"video": "https://www.youtube.com/watch?v={contentId}"}
    assert settings.link_hosts == ("www.youtube.com",)
    assert settings.rate_limit == Rate(limit=600, window=60)
    assert settings.ops_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert (settings.jwt_user_claim, settings.jwt_scope_claim) == ("sub", "scope")
    assert (settings.public_counts, settings.event_feed) == (True, False)
    assert (settings.ops_port, settings.log_level, settings.log_format) == (None, "info", None)
    assert settings.traces == "off"
    assert (settings.root_path, settings.trusted_proxies, settings.cors_origins) == ("", (), ())
    assert (settings.public_url, settings.jwt_secret, settings.jwks_url) == (None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "sharetally.toml").write_text('log_level = "debug"\npublic_counts = false\nops_port = 9100\n')
    settings = load_settings(tmp_path, log_level="error")
    assert (settings.log_level, settings.public_counts, settings.ops_port) == ("error", False, 9100)


def test_the_settings_file_of_the_requirement_document_works_unchanged(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"share_platforms": ["twitter", "whatsapp", "facebook", "linkedin"]}')
    settings = load_settings(tmp_path, config="config.json")
    assert settings.share_platforms == ("twitter", "whatsapp", "facebook", "linkedin")


def test_a_toml_file_has_tables_and_lists(tmp_path: Path) -> None:
    (tmp_path / "sharetally.toml").write_text(
        'share_platforms = ["x", "mastodon"]\nrate_limit = false\n'
        '[content_urls]\narticle = "https://news.example/a/{contentId}"\n'
    )
    settings = load({}, cwd=tmp_path)
    assert settings.share_platforms == ("twitter", "mastodon")
    assert settings.rate_limit is None
    assert settings.link_hosts == ("news.example",)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.toml", "log_level = ", "TOML"),
        ("a.json", "{", "JSON"),
        ("a.json", "[1]", "must contain a table"),
        ("a.toml", "share_platform = []", "did you mean share_platforms?"),
        ("a.toml", "log_level = 3", "log_level in "),
    ],
)
def test_a_file_that_is_wrong_stops_the_start(tmp_path: Path, name: str, content: str, told: str) -> None:
    (tmp_path / name).write_text(content)
    assert told in load_error({"SHARETALLY_CONFIG": name}, tmp_path)


def test_a_config_that_is_missing_is_named(tmp_path: Path) -> None:
    detail = load_error({"SHARETALLY_CONFIG": "nowhere.toml"}, tmp_path)
    assert detail.startswith("SHARETALLY_CONFIG: cannot read ")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SHARETALLY_SHARE_PLATFORM", "; did you mean share_platforms?"),
        ("SHARETALLY_NONSENSE", ""),
        ("SHARETALLY_LOG_LEVEL_FILE", "; did you mean log_level?"),
    ],
)
def test_an_unknown_setting_stops_the_start(tmp_path: Path, name: str, hint: str) -> None:
    assert load_error({name: "1"}, tmp_path) == f"{name}: there is no such setting{hint}"


def test_names_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    environ = {
        "PATH": "/bin",
        "SHARETALLY_TEST_POSTGRESQL_URL": "postgresql://localhost/x",
        "SHARETALLY_SERVICE_HOST": "10.0.0.7",
        "SHARETALLY_SERVICE_PORT_HTTP": "8000",
        "SHARETALLY_PORT": "tcp://10.0.0.7:8000",
        "SHARETALLY_PORT_8000_TCP": "tcp://10.0.0.7:8000",
        "SHARETALLY_PORT_8000_TCP_ADDR": "10.0.0.7",
        "SHARETALLY_WORKER_SERVICE_HOST": "10.0.0.8",
    }
    assert load(environ, cwd=tmp_path) == load({}, cwd=tmp_path)


# secrets in files


def test_each_secret_can_be_read_from_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{STRONG} \n")
    (tmp_path / "db").write_text("mysql://u:p@db/shares\n")
    settings = load_settings(tmp_path, jwt_secret_file=str(tmp_path / "secret"), database_url_file="db")
    assert settings.jwt_secret == f"{STRONG} "
    assert settings.database_url == "mysql://u:p@db/shares"


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    environ = {"SHARETALLY_JWT_SECRET": STRONG, "SHARETALLY_JWT_SECRET_FILE": "secret"}
    detail = load_error(environ, tmp_path)
    assert detail == "SHARETALLY_JWT_SECRET_FILE: SHARETALLY_JWT_SECRET is set too; remove one of them"


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b""])
def test_a_secret_file_that_is_not_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    assert "SHARETALLY_JWT_SECRET_FILE" in load_error({"SHARETALLY_JWT_SECRET_FILE": "secret"}, tmp_path)


# grammars


@pytest.mark.parametrize(
    ("text", "platforms"),
    [
        ("twitter", ("twitter",)),
        (" X , WhatsApp,twitter,", ("twitter", "whatsapp")),
        ('["facebook", " x "]', ("facebook", "twitter")),
    ],
)
def test_platforms_are_normalised(tmp_path: Path, text: str, platforms: tuple[str, ...]) -> None:
    assert load_settings(tmp_path, share_platforms=text).share_platforms == platforms


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("off", None),
        ("OFF", None),
        ("5/second", Rate(limit=5, window=1)),
        ("600/minute", Rate(limit=600, window=60)),
        ("1000 / hour", Rate(limit=1000, window=3600)),
        ("9/day", Rate(limit=9, window=86400)),
    ],
)
def test_a_rate_is_a_number_of_writes_in_a_unit(tmp_path: Path, text: str, rate: Rate | None) -> None:
    assert load_settings(tmp_path, rate_limit=text).rate_limit == rate


@pytest.mark.parametrize(
    ("text", "on"), [("on", True), ("true", True), ("True", True), ("off", False), ("false", False)]
)
def test_a_switch_is_on_or_off(tmp_path: Path, text: str, on: bool) -> None:
    assert load_settings(tmp_path, public_counts=text).public_counts is on


def test_addresses_are_put_into_one_form(tmp_path: Path) -> None:
    settings = load_settings(
        tmp_path,
        database_url="postgres://u@h1:1,h2:2/db",
        public_url="https://tally.example/app/",
        root_path="/shares/",
        trusted_proxies="10.0.0.0/8, ::1",
        cors_origins="https://Shop.example, http://localhost:5173",
        link_hosts="Example.com,shop.example",
        content_urls='{"article": "https://news.example/{contentId}"}',
    )
    assert settings.database_url == "postgresql://u@h1:1,h2:2/db"
    assert settings.public_url == "https://tally.example/app"
    assert settings.root_path == "/shares"
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert settings.cors_origins == ("https://shop.example", "http://localhost:5173")
    assert settings.link_hosts == ("example.com", "shop.example")
    assert settings.content_urls == {"article": "https://news.example/{contentId}"}


def test_a_socket_in_the_query_survives(tmp_path: Path) -> None:
    url = "postgresql:///shares?host=/run/postgresql"
    assert load_settings(tmp_path, database_url=url).database_url == url


def test_a_relative_database_file_is_found_from_where_we_are(tmp_path: Path) -> None:
    assert sqlite_path(load_settings(tmp_path, database_url="sqlite:///a/b.db")) == tmp_path / "a" / "b.db"
    assert sqlite_path(load_settings(tmp_path, database_url="sqlite:////srv/b.db")) == Path("/srv/b.db")
    assert sqlite_path(load_settings(tmp_path, database_url="mysql://h/b")) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("share_platforms", ""),
        ("share_platforms", " , "),
        ("share_platforms", "[]"),
        ("share_platforms", '["a", 1]'),
        ("share_platforms", "tw itter"),
        ("rate_limit", "600"),
        ("rate_limit", "0/minute"),
        ("rate_limit", "-1/minute"),
        ("rate_limit", "600/fortnight"),
        ("rate_limit", ""),
        ("public_counts", "yes"),
        ("ops_port", "0"),
        ("ops_port", "65536"),
        ("ops_port", "http"),
        ("traces", "jaeger"),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("public_url", "tally.example"),
        ("public_url", "ftp://tally.example"),
        ("public_url", "https://u:p@tally.example"),
        ("public_url", "https://tally.example/?a=1"),
        ("root_path", "shares"),
        ("trusted_proxies", "*"),
        ("trusted_proxies", "proxy.internal"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("ops_networks", "10.0.0.0/33"),
        ("content_urls", "https://example.com/{contentId}"),
        ("content_urls", '{"Video": "https://example.com/{contentId}"}'),
        ("content_urls", '{"video": "https://example.com/"}'),
        ("content_urls", '{"video": "https://example.com/{id}"}'),
        ("content_urls", '{"video": "https://{contentId}.example.com/"}'),
        ("content_urls", '{"video": "https://example.com{contentId}/"}'),
        ("content_urls", '{"video": "javascript:{contentId}"}'),
        ("link_hosts", "https://example.com"),
        ("cors_origins", "example.com"),
        ("cors_origins", "https://example.com/"),
        ("cors_origins", "*,https://example.com"),
        ("database_url", "oracle://h/db"),
        ("database_url", "postgresql+asyncpg://h/db"),
        ("database_url", "postgresql://h"),
        ("database_url", "mysql://h:port/db"),
        ("database_url", "sqlite://"),
        ("database_url", "sqlite:///:memory:"),
        ("database_url", "sqlite:///a.db?mode=ro"),
        ("broker_url", "memory://"),
        ("broker_url", "kafka://h"),
        ("broker_url", "amqp://"),
        ("cache_url", "memcached://h"),
        ("jwks_url", "file:///etc/keys"),
        ("oidc_issuer", "login.example"),
        ("oidc_issuer", "https://u:p@login.example"),
        ("oidc_issuer", "https://login.example/?tenant=a"),
        ("oidc_client_id", " "),
        ("oidc_scope", "profile email"),
        ("oidc_user_claim", "iss"),
        ("oidc_groups", "staff"),
        ("oidc_groups", "{}"),
        ("oidc_groups", '["staff"]'),
        ("oidc_groups", '{"staff": ""}'),
        ("oidc_groups", '{"staff": "root"}'),
        ("oidc_groups", '{"staff": "shares act-as"}'),
        ("oidc_groups", '{"staff": ["shares"]}'),
        ("jwt_user_claim", "exp"),
        ("jwt_user_claim", ""),
        ("jwt_algorithms", "none"),
        ("jwt_algorithms", "HS256,RS256"),
        ("jwt_algorithms", ""),
        ("data_dir", ""),
        ("jwt_secret", ""),
        ("jwt_secret", "\udcff" * 32),
    ],
)
def test_a_malformed_value_is_named_with_its_setting(tmp_path: Path, name: str, value: str) -> None:
    variable = f"SHARETALLY_{name.upper()}"
    detail = load_error({variable: value}, tmp_path)
    assert detail.startswith((f"{variable}: ", f"{name.upper()}: "))


@pytest.mark.parametrize("name", ["database_url", "broker_url", "cache_url"])
@pytest.mark.parametrize("scheme", ["postgresql", "amqp", "redis", "nonsense"])
@pytest.mark.parametrize("rest", ["u:HIDDEN@h:port/d", "u:HIDDEN#@h/d", "u:HIDDEN@[h/d"])
def test_a_refusal_never_quotes_an_address(tmp_path: Path, name: str, scheme: str, rest: str) -> None:
    detail = load_error({f"SHARETALLY_{name.upper()}": f"{scheme}://{rest}"}, tmp_path)
    assert "HIDDEN" not in detail


# what cannot work together


def test_a_short_secret_is_refused_and_not_quoted(tmp_path: Path) -> None:
    detail = load_error({"SHARETALLY_JWT_SECRET": "tiger" * 6}, tmp_path)
    assert detail.startswith("JWT_SECRET: shorter than the 32 bytes")
    assert "tiger" not in detail


def test_a_secret_is_measured_in_bytes_and_by_its_algorithm(tmp_path: Path) -> None:
    assert load_settings(tmp_path, jwt_secret="ü" * 16).jwt_secret == "ü" * 16
    assert "64 bytes" in load_error({"SHARETALLY_JWT_SECRET": STRONG, "SHARETALLY_JWT_ALGORITHMS": "HS512"}, tmp_path)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"SHARETALLY_JWKS_URL": "https://id.example/jwks.json"}, "JWT_ISSUER"),
        ({"SHARETALLY_JWT_ALGORITHMS": "RS256"}, "JWKS_URL"),
        (
            {
                "SHARETALLY_JWKS_URL": "https://id.example/jwks.json",
                "SHARETALLY_JWT_ISSUER": "https://id.example/",
                "SHARETALLY_ANONYMOUS_SHARES": "on",
            },
            "JWT_SECRET",
        ),
        ({**ISSUER, "SHARETALLY_JWT_ALGORITHMS": "HS256"}, "JWT_SECRET"),
        ({"SHARETALLY_JWT_ALGORITHMS": "HS256,HS512"}, "a secret is used with one algorithm only"),
        ({"SHARETALLY_EVENT_FEED": "on"}, "BROKER_URL"),
        ({"SHARETALLY_OIDC_CLIENT_ID": "sharetally"}, "OIDC_CLIENT_ID: has no effect without OIDC_ISSUER"),
        ({"SHARETALLY_OIDC_CLIENT_SECRET": "tiger"}, "OIDC_CLIENT_SECRET: has no effect without OIDC_ISSUER"),
        ({**OPENID, "SHARETALLY_OIDC_CLIENT_ID": None}, "set OIDC_CLIENT_ID too"),
        ({**OPENID, "SHARETALLY_OIDC_GROUPS": None}, "set OIDC_GROUPS too"),
        ({**OPENID, "SHARETALLY_PUBLIC_URL": None}, "set PUBLIC_URL too"),
    ],
)
def test_settings_that_need_another_say_which(tmp_path: Path, environ: dict[str, str | None], told: str) -> None:
    assert told in load_error({name: value for name, value in environ.items() if value is not None}, tmp_path)


def test_an_issuer_stays_as_it_is_written(tmp_path: Path) -> None:
    for issuer in ("https://login.example/", "https://login.example", "https://login.example/realms/A"):
        settings = load({**OPENID, "SHARETALLY_OIDC_ISSUER": issuer}, cwd=tmp_path)
        assert settings.oidc_issuer == issuer
    assert dict(settings.oidc_groups or {}) == {"staff": "audit analytics"}


def test_each_kind_of_key_has_its_own_algorithms(tmp_path: Path) -> None:
    both = load({**ISSUER, "SHARETALLY_JWT_SECRET": STRONG, "SHARETALLY_JWT_ALGORITHMS": "PS256"}, cwd=tmp_path)
    assert (both.secret_algorithm, both.key_algorithms) == ("HS256", ("PS256",))
    keys = load(ISSUER, cwd=tmp_path)
    assert keys.key_algorithms == ("RS256", "ES256", "EdDSA")


@pytest.mark.parametrize(("processes", "role"), [(2, "serve"), (1, "worker"), (1, "relay")])
def test_sqlite_and_the_memory_broker_allow_one_process_only(tmp_path: Path, processes: int, role: Role) -> None:
    embedded = load({}, cwd=tmp_path)
    check_roles(embedded, processes=1, role="serve")
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL: SQLite works with one process only, not with"):
        check_roles(embedded, processes=processes, role=role)
    no_broker = load_settings(tmp_path, database_url="mysql://h/d")
    with pytest.raises(ConfigurationError, match=r"^BROKER_URL: memory: works with one process only, not with"):
        check_roles(no_broker, processes=processes, role=role)
    check_roles(
        load_settings(tmp_path, database_url="mysql://h/d", broker_url="amqp://h"), processes=processes, role=role
    )


def test_zero_processes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--processes"):
        check_roles(load({}, cwd=tmp_path), processes=0, role="serve")


# the generated secret


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = ensure_secret(load({}, cwd=tmp_path))
    again = ensure_secret(load({}, cwd=tmp_path))
    directory = tmp_path / ".sharetally"
    assert first.jwt_secret is not None
    assert len(first.jwt_secret) == 43  # 32 bytes in base64, without padding
    assert again.jwt_secret == first.jwt_secret == (directory / "jwt_secret").read_text()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "jwt_secret").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in directory.iterdir()] == ["jwt_secret"]


def test_processes_that_start_at_once_have_the_same_secret(tmp_path: Path) -> None:
    settings = load({}, cwd=tmp_path)
    with ThreadPoolExecutor(16) as pool:
        secrets = {each.jwt_secret for each in pool.map(ensure_secret, [settings] * 64)}
    assert len(secrets) == 1
    assert os.listdir(settings.data_dir) == ["jwt_secret"]


def test_a_longer_hash_gets_a_longer_secret(tmp_path: Path) -> None:
    made = ensure_secret(load_settings(tmp_path, jwt_algorithms="HS512")).jwt_secret
    assert made is not None
    assert len(made) >= 64


@pytest.mark.parametrize("environ", [{"SHARETALLY_JWT_SECRET": STRONG}, ISSUER])
def test_no_secret_is_made_where_one_is_configured(tmp_path: Path, environ: dict[str, str]) -> None:
    settings = load(environ, cwd=tmp_path)
    assert ensure_secret(settings) is settings
    assert not settings.data_dir.exists()


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = load({}, cwd=tmp_path)
    ensure_secret(settings)
    (settings.data_dir / "jwt_secret").chmod(0o644)
    with pytest.raises(ConfigurationError, match="other users can read"):
        ensure_secret(settings)


def test_a_secret_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    settings = load({}, cwd=tmp_path)
    ensure_secret(settings)
    (settings.data_dir / "jwt_secret").write_text("")
    with pytest.raises(ConfigurationError, match="shorter than the 32 bytes"):
        ensure_secret(settings)


# the keys that encrypt tokens

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def test_token_keys_are_read_in_their_order(tmp_path: Path) -> None:
    url_safe = KEY.rstrip("=").replace("+", "-")
    settings = load_settings(tmp_path, token_keys=f"new:{url_safe}, old:{KEY}")
    assert [(key.id, key.key) for key in token_keys(settings)] == [
        ("new", b"0123456789abcdef0123456789abcdef"),
        ("old", b"0123456789abcdef0123456789abcdef"),
    ]
    assert KEY.rstrip("=") not in repr(settings)
    assert masked_settings(settings)["SHARETALLY_TOKEN_KEYS"] == "***"
    (tmp_path / "keys").write_text(f"new:{KEY}\n")
    assert token_keys(load_settings(tmp_path, token_keys_file="keys"))[0].id == "new"


@pytest.mark.parametrize("value", ["", ",", KEY, f"a b:{KEY}", "new:c2hvcnQ=", "new:!", f"new:{KEY},new:{KEY}"])
def test_token_keys_that_would_not_do_are_refused_without_showing_them(tmp_path: Path, value: str) -> None:
    detail = load_error({"SHARETALLY_TOKEN_KEYS": value}, tmp_path)
    assert detail.startswith("SHARETALLY_TOKEN_KEYS: ")
    assert KEY.rstrip("=") not in detail
    assert "c2hvcnQ" not in detail


def test_a_token_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    settings = load({}, cwd=tmp_path)
    assert stores_tokens(settings)
    with ThreadPoolExecutor(16) as pool:
        made = {keys[0].key for keys in pool.map(token_keys, [settings] * 64)}
    assert len(made) == 1
    assert (settings.data_dir / "token_keys").stat().st_mode & 0o777 == 0o600
    (settings.data_dir / "token_keys").chmod(0o644)
    with pytest.raises(ConfigurationError, match="other users can read"):
        token_keys(settings)


def test_no_token_key_is_made_for_a_database_that_others_share(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, database_url="postgresql://h/d")
    assert not stores_tokens(settings)
    with pytest.raises(ConfigurationError, match=r"^TOKEN_KEYS: set it"):
        token_keys(settings)
    assert not settings.data_dir.exists()


# the keys by which this service proves itself

NUMBERS = {"x": "a" * 43, "y": "b" * 43, "d": "hush" + "c" * 39}
CLIENT_KEY = {"kty": "EC", "crv": "P-256", "kid": "new", **NUMBERS}


def test_client_keys_are_read_in_their_order_without_what_else_they_say(tmp_path: Path) -> None:
    keys = [{**CLIENT_KEY, "key_ops": ["sign"], "use": "sig"}, {**CLIENT_KEY, "kid": "old"}]
    (tmp_path / "client-keys.json").write_text(json.dumps(keys) + "\n")
    settings = load_settings(tmp_path, bluesky_client_keys_file="client-keys.json")
    assert settings.bluesky_client_keys == (CLIENT_KEY, {**CLIENT_KEY, "kid": "old"})
    assert "hush" not in repr(settings)
    assert masked_settings(settings)["SHARETALLY_BLUESKY_CLIENT_KEYS"] == "***"
    assert masked_settings(load({}, cwd=tmp_path))["SHARETALLY_BLUESKY_CLIENT_KEYS"] == "not set"


@pytest.mark.parametrize(
    "value",
    [
        "hush",
        "[]",
        json.dumps(CLIENT_KEY),
        json.dumps([{name: value for name, value in CLIENT_KEY.items() if name != "d"}]),
        json.dumps([{name: value for name, value in CLIENT_KEY.items() if name != "kid"}]),
        json.dumps([CLIENT_KEY | {"crv": "P-384"}]),
        json.dumps([CLIENT_KEY | {"kty": "RSA"}]),
        json.dumps([CLIENT_KEY | {"d": "hush"}]),
        json.dumps([CLIENT_KEY, CLIENT_KEY]),
    ],
)
def test_client_keys_that_would_not_do_are_refused_without_showing_them(tmp_path: Path, value: str) -> None:
    detail = load_error({"SHARETALLY_BLUESKY_CLIENT_KEYS": value}, tmp_path)
    assert detail.startswith("SHARETALLY_BLUESKY_CLIENT_KEYS: ")
    assert "hush" not in detail


def test_a_client_key_whose_parts_do_not_fit_stops_the_start_without_showing_it(tmp_path: Path) -> None:
    settings = load_settings(
        tmp_path,
        bluesky_client_keys=json.dumps([CLIENT_KEY]),
        post_platforms="bluesky",
        public_url="https://shares.example",
    )
    with pytest.raises(ConfigurationError, match=r"^BLUESKY_CLIENT_KEYS: has a key whose parts") as refused:
        create_connectors(settings, lambda: posting_outbound(settings))
    assert "hush" not in repr(refused.value)


def test_a_version_of_an_api_looks_like_one(tmp_path: Path) -> None:
    assert load_settings(tmp_path, linkedin_version="202612").linkedin_version == "202612"
    assert "write one like 202609" in load_error({"SHARETALLY_LINKEDIN_VERSION": "2026-12"}, tmp_path)
    assert "write one like v26.0" in load_error({"SHARETALLY_FACEBOOK_VERSION": "26"}, tmp_path)


@pytest.mark.parametrize(
    ("written", "budget", "shown"),
    [
        ("0", Budget(total=0), "0"),
        ("20", Budget(total=20 * DOLLAR), "20"),
        (" 20 , 1 ", Budget(total=20 * DOLLAR, per_user=DOLLAR), "20,1"),
        ("0.2,0.20", Budget(total=200_000, per_user=200_000), "0.2,0.2"),
        ("1000.015", Budget(total=1_000_015_000), "1000.015"),
    ],
)
def test_a_budget_is_dollars_in_all_and_for_each_user(tmp_path: Path, written: str, budget: Budget, shown: str) -> None:
    settings = load_settings(tmp_path, x_budget=written)
    assert settings.x_budget == budget
    assert masked_settings(settings)["SHARETALLY_X_BUDGET"] == shown


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("a lot", "must be dollars a day"),
        ("-1", "must be dollars a day"),
        ("20,1,1", "must be dollars a day"),
        ("20,", "must be dollars a day"),
        ("0.19", "at least 0.2, which is what one post costs"),
        ("20,0", "at least 0.2, which is what one post costs"),
        ("1,20", "more than all users together"),
    ],
)
def test_a_budget_that_would_not_do_is_refused(tmp_path: Path, written: str, reason: str) -> None:
    detail = load_error({"SHARETALLY_X_BUDGET": written}, tmp_path)
    assert detail.startswith("SHARETALLY_X_BUDGET: ")
    assert reason in detail


@pytest.mark.parametrize("name", ["twitter", "x"])
def test_posts_to_x_need_a_budget(tmp_path: Path, name: str) -> None:
    chosen = {"SHARETALLY_POST_PLATFORMS": name, "SHARETALLY_PUBLIC_URL": "https://shares.example"}
    assert load_error(chosen, tmp_path) == "POST_PLATFORMS: twitter needs X_CLIENT_ID; set it too"
    chosen["SHARETALLY_X_CLIENT_ID"] = "a1b2c3"
    for refused in (chosen, chosen | {"SHARETALLY_X_BUDGET": "0"}):
        detail = load_error(refused, tmp_path)
        assert detail.startswith("POST_PLATFORMS: posts to X cost money; set X_BUDGET")
    settings = load(chosen | {"SHARETALLY_X_BUDGET": "20"}, cwd=tmp_path)
    assert (settings.post_platforms, settings.x_budget_spent) == (("twitter",), "wait")


def test_a_data_dir_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigurationError, match=r"^DATA_DIR: cannot create .*taken"):
        ensure_secret(load_settings(tmp_path, data_dir="taken"))


# how settings are shown


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    settings = load_settings(
        tmp_path,
        jwt_secret="HUSH" * 8,
        database_url="postgresql://shares:HUSH@db:5432/tally?sslmode=require&sslpassword=HUSH",
        broker_url="amqps://shares:HUSH@mq/vhost",
        cache_url="redis://:HUSH@cache:6379/2",
        oidc_client_secret="HUSH",
        **{name.removeprefix("SHARETALLY_").lower(): value for name, value in OPENID.items()},
    )
    shown = masked_settings(settings)
    assert shown["SHARETALLY_JWT_SECRET"] == shown["SHARETALLY_OIDC_CLIENT_SECRET"] == "***"
    assert shown["SHARETALLY_DATABASE_URL"] == ("postgresql://shares:***@db:5432/tally?sslmode=require&sslpassword=***")
    assert shown["SHARETALLY_BROKER_URL"] == "amqps://shares:***@mq/vhost"
    assert shown["SHARETALLY_CACHE_URL"] == "redis://:***@cache:6379/2"
    assert "HUSH" not in json.dumps(list(shown.values())) + repr(settings) + f"{settings}"


def test_all_settings_are_shown_as_they_are_written(tmp_path: Path) -> None:
    settings = load({}, cwd=tmp_path)
    shown = masked_settings(settings)
    assert list(shown) == [f"SHARETALLY_{field.name.upper()}" for field in fields(Settings)]
    assert shown["SHARETALLY_RATE_LIMIT"] == "600/minute"
    assert shown["SHARETALLY_PUBLIC_COUNTS"] == "on"
    assert shown["SHARETALLY_SHARE_PLATFORMS"] == "twitter,whatsapp,facebook,linkedin"
    assert shown["SHARETALLY_DATABASE_URL"] == settings.database_url
    assert shown["SHARETALLY_OPS_NETWORKS"] == "127.0.0.0/8,::1/128"
    assert shown["SHARETALLY_JWT_SECRET"] == "not set"


def test_displayed_settings_can_be_loaded_again(tmp_path: Path) -> None:
    settings = load({}, cwd=tmp_path)
    environ = {name: text for name, text in masked_settings(settings).items() if text not in ("", "not set")}
    assert load(environ, cwd=tmp_path) == settings
