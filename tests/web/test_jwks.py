"""An issuer's keys: fetched when needed, seldom, within bounds, and kept while the issuer is away."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sharetally.adapters.outbound import OutboundClient
from sharetally.domain.errors import ConfigurationError, Unauthenticated, Unavailable
from sharetally.web.auth import fetch
from sharetally.web.auth.jwks import JwksKeySource, jwks_over_http
from sharetally.web.auth.tokens import TokenRules, TokenVerifier
from tests.adapters.outbound_servers import responding, serving
from tests.services.launch import free_port
from tests.web.conftest import MakeApi
from tests.web.forging import PrivateKey, ec_key, ed_key, jwk, rsa_key, with_key
from tests.web.manual_clock import ManualClock

pytestmark = pytest.mark.anyio

RSA = rsa_key()
EC = ec_key()
ED = ed_key()


class Issuer:
    """Publishes keys in memory, counts the requests, and can be unavailable."""

    def __init__(self, **keys: PrivateKey) -> None:
        self.members = [jwk(key, kid=kid) for kid, key in keys.items()]
        self.away = False
        self.asked = 0

    async def fetch(self) -> bytes:
        self.asked += 1
        if self.away:
            raise ConnectionRefusedError
        return json.dumps({"keys": self.members}).encode()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def keys_of(issuer: Issuer, clock: ManualClock) -> JwksKeySource:
    return JwksKeySource(fetch=issuer.fetch, now=clock.seconds)


async def is_known(keys: JwksKeySource, kid: str | None, algorithm: str = "RS256") -> bool:
    try:
        key = await keys.key(algorithm=algorithm, kid=kid)
    except Unauthenticated:
        return False
    return kid is None or key.kid == kid


# through the verifier


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSA), ("ES256", EC), ("EdDSA", ED)])
async def test_tokens_of_each_kind_of_key_are_believed(clock: ManualClock, algorithm: str, key: PrivateKey) -> None:
    issuer = Issuer(a=RSA, b=EC, c=ED)
    source = keys_of(issuer, clock)
    sources = dict.fromkeys(("RS256", "ES256", "EdDSA"), source)
    checking = TokenVerifier(sources=sources, rules=TokenRules(issuer="https://id.example"), clock=clock)
    claims = {"sub": "alice", "iss": "https://id.example", "exp": clock.seconds() + 60}
    kid = {"RS256": "a", "ES256": "b", "EdDSA": "c"}[algorithm]
    assert (await checking.verify(with_key({"alg": algorithm, "kid": kid}, claims, key))).user_id == "alice"
    with pytest.raises(Unauthenticated):
        await checking.verify(with_key({"alg": algorithm, "kid": kid}, claims, rsa_key()))


async def test_many_unknown_key_ids_cause_one_fetch(clock: ManualClock) -> None:
    issuer = Issuer(good=RSA)
    keys = keys_of(issuer, clock)
    checking = TokenVerifier(sources={"RS256": keys}, rules=TokenRules(), clock=clock)
    claims = {"sub": "mallory", "exp": clock.seconds() + 60}
    stranger = rsa_key()
    assert await is_known(keys, "good")
    clock.advance(30)
    forged = [with_key({"alg": "RS256", "kid": f"made-up-{n}"}, claims, stranger) for n in range(50)]
    answers = await asyncio.gather(*map(checking.verify, forged), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unauthenticated}
    assert issuer.asked == 2  # the first and one more
    clock.advance(29)
    assert not await is_known(keys, "made-up")
    assert issuer.asked == 2


# when keys are fetched


async def test_nothing_is_fetched_before_it_is_needed_nor_twice(clock: ManualClock) -> None:
    issuer = Issuer(a=RSA)
    keys = keys_of(issuer, clock)
    assert issuer.asked == 0
    assert all(await asyncio.gather(*(is_known(keys, "a") for _ in range(20))))
    clock.advance(599)
    assert await is_known(keys, "a")
    assert issuer.asked == 1


async def test_a_new_key_is_found_when_a_token_names_it(clock: ManualClock) -> None:
    issuer = Issuer(old=RSA)
    keys = keys_of(issuer, clock)
    assert await is_known(keys, "old")
    issuer.members = [jwk(EC, kid="new")]
    clock.advance(30)
    assert await is_known(keys, "new", "ES256")
    assert not await is_known(keys, "old")


async def test_a_withdrawn_key_is_gone_after_ten_minutes(clock: ManualClock) -> None:
    issuer = Issuer(a=RSA, b=RSA)
    keys = keys_of(issuer, clock)
    assert await is_known(keys, "a")
    issuer.members = issuer.members[1:]
    clock.advance(600)
    assert not await is_known(keys, "a")


async def test_cached_keys_keep_working_while_the_issuer_is_unavailable(clock: ManualClock) -> None:
    issuer = Issuer(a=RSA)
    keys = keys_of(issuer, clock)
    assert await is_known(keys, "a")
    issuer.away = True
    clock.advance(86_400)
    assert await is_known(keys, "a")
    assert await is_known(keys, "a")
    assert issuer.asked == 2
    clock.advance(30)
    assert await is_known(keys, "a")
    assert issuer.asked == 3


async def test_without_any_key_tokens_cannot_be_verified(clock: ManualClock) -> None:
    issuer = Issuer(a=RSA)
    issuer.away = True
    keys = keys_of(issuer, clock)
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            await keys.key(algorithm="RS256", kid="a")
        assert caught.value.retry_after == 5
    assert issuer.asked == 1
    issuer.away = False
    clock.advance(5)
    assert await is_known(keys, "a")


async def test_tokens_with_a_cached_key_do_not_wait_for_a_fetch(clock: ManualClock) -> None:
    issuer, gate = Issuer(a=RSA), asyncio.Event()
    gate.set()

    async def fetch() -> bytes:
        await gate.wait()
        return await issuer.fetch()

    keys = JwksKeySource(fetch=fetch, now=clock.seconds)
    assert await is_known(keys, "a")
    clock.advance(600)
    gate.clear()
    waiting = asyncio.create_task(is_known(keys, "a"))
    await asyncio.sleep(0)
    assert await is_known(keys, "a")
    assert not waiting.done()
    gate.set()
    assert await waiting


# which key


async def test_a_token_without_kid_takes_the_only_key(clock: ManualClock) -> None:
    assert await is_known(keys_of(Issuer(a=RSA, b=EC), clock), None)
    assert not await is_known(keys_of(Issuer(a=RSA, b=rsa_key()), clock), None)


@pytest.mark.parametrize(
    "member",
    [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMw"},
        {"kty": "RSA"},
        {"kty": "AKP", "pub": "x"},
        {"kty": 7},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {**jwk(RSA), "use": "enc"},
        {**jwk(RSA), "alg": "PS256"},
        {},
    ],
)
async def test_an_unusable_key_is_skipped(clock: ManualClock, member: dict[str, object]) -> None:
    issuer = Issuer(good=EC)
    issuer.members.insert(0, {**member, "kid": "odd"})
    keys = keys_of(issuer, clock)
    for algorithm in ("RS256", "ES256", "HS256", "none"):
        assert not await is_known(keys, "odd", algorithm)
    assert await is_known(keys, "good", "ES256")


async def test_a_key_works_only_with_its_own_kind_of_algorithm(clock: ManualClock) -> None:
    keys = keys_of(Issuer(a=RSA), clock)
    known = [name for name in ("RS256", "PS256", "ES256", "EdDSA", "HS256") if await is_known(keys, "a", name)]
    assert known == ["RS256", "PS256"]


@pytest.mark.parametrize("document", [b"", b"[]", b'{"keys": 7}', b'{"keys": []}', b'{"keys": [7]}', b"[" * 9999])
async def test_an_invalid_key_set_counts_as_unavailable(clock: ManualClock, document: bytes) -> None:
    async def fetch() -> bytes:
        return document

    with pytest.raises(Unavailable):
        await JwksKeySource(fetch=fetch, now=clock.seconds).key(algorithm="RS256", kid="a")


# over the network


async def fetched(url: str) -> bool:
    """Whether a key comes from there."""
    outbound = OutboundClient()
    try:
        await JwksKeySource(fetch=jwks_over_http(url, outbound)).key(algorithm="RS256", kid="a")
    except Unavailable:
        return False
    finally:
        await outbound.close()
    return True


async def test_keys_come_over_http(httpserver: HTTPServer) -> None:
    plain = httpserver.expect_request("/jwks.json", headers={"Accept-Encoding": "identity"})
    plain.respond_with_json({"keys": [jwk(RSA, kid="a")]})
    assert await fetched(httpserver.url_for("/jwks.json"))


@pytest.mark.parametrize("status", [204, 301, 404, 500])
async def test_any_answer_but_200_counts_as_away(httpserver: HTTPServer, status: int) -> None:
    def answer(request: Request) -> Response:
        body = json.dumps({"keys": [jwk(RSA, kid="a")]})
        return Response(body, status, headers={"Location": httpserver.url_for("/other")})

    httpserver.expect_request("/jwks.json").respond_with_handler(answer)
    httpserver.expect_request("/other").respond_with_json({"keys": [jwk(RSA, kid="a")]})
    assert not await fetched(httpserver.url_for("/jwks.json"))


async def test_too_long_a_document_counts_as_away(httpserver: HTTPServer) -> None:
    document = json.dumps({"keys": [jwk(RSA, kid="a")], "pad": "x" * 256 * 1024})
    httpserver.expect_request("/jwks.json").respond_with_data(document)
    assert not await fetched(httpserver.url_for("/jwks.json"))


async def test_a_compressed_document_is_bounded(httpserver: HTTPServer) -> None:
    packed = gzip.compress(json.dumps({"keys": [jwk(RSA, kid="a")]}).encode())
    httpserver.expect_request("/jwks.json").respond_with_data(packed, headers={"Content-Encoding": "gzip"})
    assert not await fetched(httpserver.url_for("/jwks.json"))


@asynccontextmanager
async def stalling() -> AsyncIterator[str]:
    """A server that begins an answer and never goes on."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await writer.drain()
        await ended.wait()
        writer.close()

    ended = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
        ended.set()


async def test_an_issuer_that_never_ends_counts_as_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT_SECONDS", 0.05)
    async with stalling() as url:
        assert not await fetched(url)


async def test_a_refused_connection_counts_as_unavailable() -> None:
    assert not await fetched(f"http://127.0.0.1:{free_port()}/jwks.json")


@pytest.mark.parametrize(
    "url", ["http://id.example/jwks.json", "http://10.0.0.1/x", "http://localhost.evil.example/", "ftp://127.0.0.1/"]
)
def test_keys_from_elsewhere_need_tls(url: str) -> None:
    with pytest.raises(ConfigurationError, match="JWKS_URL"):
        jwks_over_http(url, OutboundClient())


@pytest.mark.parametrize(
    "url", ["https://id.example/jwks.json", "http://127.0.0.1:1/x", "http://[::1]/x", "http://localhost/x"]
)
def test_keys_from_this_machine_do_not(url: str) -> None:
    assert callable(jwks_over_http(url, OutboundClient()))


# in the service


@pytest.mark.parametrize("proxies", ["off", "on"])
async def test_a_proxy_of_the_environment_is_used_only_if_the_settings_say_so(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, proxies: str
) -> None:
    keys = json.dumps({"keys": [jwk(RSA, kid="a")]}).encode()
    claims = {"sub": "anna", "iss": "https://id.example", "exp": time.time() + 600}
    token = with_key({"alg": "RS256", "kid": "a"}, claims, RSA)
    async with serving(responding(keys)) as issuer, serving(responding(keys)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        settings = {"JWKS_URL": issuer.url(), "JWT_ISSUER": "https://id.example", "OUTBOUND_PROXIES": proxies}
        async with make_api(**settings) as api:
            response = await api.request("GET", "/share-links", user=None, headers={"Authorization": f"Bearer {token}"})
    assert response.status == 200, response
    assert (len(issuer.requests), len(proxy.requests)) == ((1, 0) if proxies == "off" else (0, 1))
