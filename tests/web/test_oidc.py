"""A provider that lies, stalls or sends too much: nobody can sign in, and nothing that it sends is shown."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sharetally.web.auth import fetch, sign_in_cookie
from tests.web.api import Api, HttpResponse, start_api
from tests.web.api import make_settings as told
from tests.web.browser import Browser
from tests.web.conftest import MakeApi
from tests.web.forging import ec_key, jwk, rsa_key, with_key, with_secret

pytestmark = pytest.mark.anyio
PUBLIC = "https://shares.example.com"
KEY, OTHER = ec_key(), ec_key()
CLIENT = "the client"


class RogueProvider:
    """A provider under a test's control: `metadata`, `claims` and `sign` change its data, `answers` replace them."""

    def __init__(self, server: HTTPServer) -> None:
        self.issuer = server.url_for("").rstrip("/")
        server.expect_request("/.well-known/openid-configuration").respond_with_handler(self._say("metadata"))
        server.expect_request("/jwks").respond_with_handler(self._say("jwks"))
        server.expect_request("/token", method="POST").respond_with_handler(self._say("token"))
        server.expect_request("/userinfo").respond_with_handler(self._say("userinfo"))
        self.honest()

    def honest(self) -> None:
        """From now on it says what it should."""
        self.metadata: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=one",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        }
        self.claims: dict[str, Any] = {}
        self.told: dict[str, Any] = {}
        self.sign: Callable[[dict[str, Any]], str] = lambda claims: with_key({"alg": "ES256", "kid": "a"}, claims, KEY)
        self.answers: dict[str, Callable[[], Response]] = {}
        self.asked: list[str] = []
        self.nonce = ""

    def _say(self, what: str) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            self.asked.append(what)
            if what in self.answers:
                return self.answers[what]()
            return Response(json.dumps(getattr(self, f"_{what}")()), content_type="application/json")

        return answer

    def _metadata(self) -> dict[str, Any]:
        return self.metadata

    def _jwks(self) -> dict[str, Any]:
        return {"keys": [jwk(KEY, kid="a", alg="ES256")]}

    def _token(self) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "mara", "iat": now, "exp": now + 60, "nonce": self.nonce}
        claims |= {"groups": ["staff"]} | self.claims
        kept = {name: value for name, value in claims.items() if value is not None}
        return {"id_token": self.sign(kept), "access_token": "a", "token_type": "Bearer"}

    def _userinfo(self) -> dict[str, Any]:
        return self.told


@pytest.fixture(scope="module")
def running() -> Iterator[RogueProvider]:
    with HTTPServer() as server:
        yield RogueProvider(server)


@pytest.fixture
def rogue(running: RogueProvider) -> RogueProvider:
    """As it comes: honest."""
    running.honest()
    return running


def make_settings(rogue: RogueProvider, **more: str) -> dict[str, str]:
    named = {"OIDC_ISSUER": rogue.issuer, "OIDC_CLIENT_ID": CLIENT, "PUBLIC_URL": PUBLIC}
    return {**named, "OIDC_GROUPS": json.dumps({"staff": "audit", "example.com": "analytics"}), **more}


@pytest.fixture(scope="module")
async def service(
    migrated_file: Path, running: RogueProvider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """One service for all tests that are content with what it knows of the provider."""
    folder = tmp_path_factory.mktemp("oidc")
    shutil.copy(migrated_file, folder / "sharetally.db")
    async with start_api(told(folder, f"sqlite:///{folder}/sharetally.db", **make_settings(running))) as made:
        await Browser(made).request("GET", "/console/sign-in/oidc", headers={})
        yield made


@pytest.fixture
async def api(service: Api, rogue: RogueProvider) -> AsyncIterator[Api]:
    """The same page, without a session."""
    yield service
    await service.database.sessions.end_all_of("mara")


@pytest.fixture
async def fresh(make_api: MakeApi, rogue: RogueProvider) -> AsyncIterator[Api]:
    """A service that knows nothing of the provider yet."""
    async with make_api(**make_settings(rogue)) as made:
        yield made


async def begin_sign_in(browser: Browser, rogue: RogueProvider, query: str = "") -> str:
    """Off to the provider, which notes the nonce; returns the state."""
    response = await browser.request("GET", f"/console/sign-in/oidc{query}", headers={})
    assert response.status == 302, response
    asked = parse_qs(urlsplit(response.headers["location"]).query)
    rogue.nonce = asked["nonce"][0]
    return asked["state"][0]


async def return_to(browser: Browser, query: str) -> HttpResponse:
    return await browser.request("GET", f"/console/sign-in/oidc/callback?{query}", headers={})


async def try_sign_in(api: Api, rogue: RogueProvider) -> HttpResponse:
    """A whole sign-in."""
    browser = Browser(api)
    return await return_to(browser, f"code=c&state={await begin_sign_in(browser, rogue)}")


async def refused(api: Api, response: HttpResponse, status: int) -> None:
    """A readable page that contains nothing from the provider; and nobody is signed in."""
    assert response.status == status, response
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "__Host-sharetally-sign-in=;" in response.headers["set-cookie"], "the attempt is over"
    assert "Traceback" not in response.body.decode()
    assert "127.0.0.1" not in response.body.decode()
    assert ("Use another account" if status == 403 else "Try again") in response.body.decode()
    assert await api.database.sessions.all() == []


async def test_an_honest_answer_is_taken(api: Api, rogue: RogueProvider) -> None:
    response = await try_sign_in(api, rogue)
    assert response.status == 200, response
    session, over = response.headers["set-cookie"].split("\n")
    assert session.startswith("__Host-sharetally-console=")
    assert session.endswith("; HttpOnly; SameSite=Strict; Secure")
    assert over.startswith("__Host-sharetally-sign-in=; Path=/; Max-Age=0;")


async def test_where_people_are_sent(api: Api, rogue: RogueProvider) -> None:
    response = await Browser(api).request("GET", "/console/sign-in/oidc", headers={})
    assert response.headers["location"].startswith(f"{rogue.issuer}/authorize?tenant=one&response_type=code&")
    assert response.headers["set-cookie"].endswith("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure")


# what an ID token must be


NOW = int(time.time())
WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "somebody else"},
    "no audience": {"aud": None},
    "several audiences, and meant for none": {"aud": [CLIENT, "somebody else"]},
    "meant for another": {"azp": "somebody else"},
    "another nonce": {"nonce": "A" * 43},
    "no nonce": {"nonce": None},
    "expired": {"exp": NOW - 3600},
    "no end": {"exp": None},
    "no begin": {"iat": None},
    "begins tomorrow": {"iat": NOW + 86_400},
    "nobody": {"sub": None},
    "times that are none": {"exp": "soon"},
    "beyond all time": {"exp": 1e400},
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=WRONG.keys())
async def test_an_id_token_that_does_not_hold(api: Api, rogue: RogueProvider, claims: dict[str, Any]) -> None:
    rogue.claims = claims
    await refused(api, await try_sign_in(api, rogue), 502)


SIGNED: dict[str, Callable[[dict[str, Any]], str]] = {
    "by another's key": lambda claims: with_key({"alg": "ES256", "kid": "a"}, claims, OTHER),
    "by a key that is not published": lambda claims: with_key({"alg": "ES256", "kid": "b"}, claims, OTHER),
    "not at all": lambda claims: with_secret({"alg": "none"}, claims, b"").rpartition(".")[0] + ".",
    "by the client's secret": lambda claims: with_secret({"alg": "HS256", "kid": "a"}, claims, b"the secret"),
    "by another kind of key": lambda claims: with_key({"alg": "RS256", "kid": "a"}, claims, rsa_key()),
    "and spoilt": lambda claims: with_key({"alg": "ES256", "kid": "a"}, claims, KEY)[:-4] + "AAAA",
    "with extensions": lambda claims: with_key({"alg": "ES256", "kid": "a", "crit": ["exp"]}, claims, KEY),
    "no token": lambda claims: "nonsense",
    "no claims": lambda claims: with_key({"alg": "ES256", "kid": "a"}, "[]", KEY),
}


@pytest.mark.parametrize("sign", SIGNED.values(), ids=SIGNED.keys())
async def test_an_id_token_signed(
    make_api: MakeApi, rogue: RogueProvider, sign: Callable[[dict[str, Any]], str]
) -> None:
    rogue.sign = sign
    async with make_api(**make_settings(rogue, OIDC_CLIENT_SECRET="the secret")) as api:
        await refused(api, await try_sign_in(api, rogue), 502)


async def test_a_response_of_another_issuer_is_refused(api: Api, rogue: RogueProvider) -> None:
    """RFC 9207: an answer that names another issuer, or none where ours promised to name itself."""
    browser = Browser(api)
    state = await begin_sign_in(browser, rogue)
    await refused(api, await return_to(browser, f"code=c&state={state}&iss=https://evil.example"), 502)
    assert "token" not in rogue.asked, "the code went nowhere"


async def test_a_promised_issuer_parameter_is_required(make_api: MakeApi, rogue: RogueProvider) -> None:
    rogue.metadata["authorization_response_iss_parameter_supported"] = True
    async with make_api(**make_settings(rogue)) as api:
        await refused(api, await try_sign_in(api, rogue), 502)


# answers that are none


def status(number: int, body: str = '{"error": "invalid_grant"}') -> Callable[[], Response]:
    return lambda: Response(body, number, content_type="application/json", headers={"Location": "/elsewhere"})


ANSWERS: dict[str, tuple[str, Callable[[], Response], int]] = {
    "a code that is spent": ("token", status(400), 502),
    "a client that is unknown": ("token", status(401, '{"error": "<b>invalid_client</b>"}'), 502),
    "a redirect": ("token", status(302), 502),
    "a fault": ("token", status(500, "boom"), 503),
    "too much to do": ("token", status(429), 503),
    "no JSON": ("token", status(200, "<html>"), 502),
    "no ID token": ("token", status(200, '{"access_token": "a"}'), 502),
    "nested": ("token", status(200, "[" * 100_000), 502),
    "endless": ("token", status(200, '{"id_token": "' + "x" * 300_000 + '"}'), 503),
    "no keys": ("jwks", status(200, '{"keys": []}'), 503),
    "keys without end": ("jwks", status(200, '{"keys": [' + " " * 300_000 + "]}"), 503),
    "keys that are gone": ("jwks", status(404), 503),
}


@pytest.mark.parametrize(("what", "answer", "shown"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_invalid_provider_response_is_refused(
    fresh: Api, rogue: RogueProvider, what: str, answer: Callable[[], Response], shown: int
) -> None:
    rogue.answers[what] = answer
    response = await try_sign_in(fresh, rogue)
    await refused(fresh, response, shown)
    assert "invalid_" not in response.body.decode()
    del rogue.answers[what]
    assert (await fresh.request("GET", "/health/ready", user=None)).status == 200


async def test_an_answer_that_never_ends(api: Api, rogue: RogueProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(api)
    state = await begin_sign_in(browser, rogue)
    monkeypatch.setattr(fetch, "TIMEOUT_SECONDS", 0.2)
    rogue.answers["token"] = lambda: time.sleep(0.5) or Response("{}")  # type: ignore[func-returns-value]
    began = time.monotonic()
    await refused(api, await return_to(browser, f"code=c&state={state}"), 503)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"userinfo_endpoint": "http://10.0.0.1/"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
    ],
)
async def test_malformed_provider_metadata_is_refused(fresh: Api, rogue: RogueProvider, change: dict[str, Any]) -> None:
    rogue.metadata |= change
    response = await Browser(fresh).request("GET", "/console/sign-in/oidc", headers={})
    assert response.status == 503, response
    assert "location" not in response.headers


async def test_provider_metadata_is_fetched_once(fresh: Api, rogue: RogueProvider) -> None:
    for _ in range(3):
        assert (await try_sign_in(fresh, rogue)).status == 200
    assert rogue.asked.count("metadata") == 1
    assert rogue.asked.count("jwks") == 1


async def test_an_unavailable_provider_is_not_queried_repeatedly(fresh: Api, rogue: RogueProvider) -> None:
    rogue.answers["metadata"] = status(500)
    for _ in range(4):
        assert (await Browser(fresh).request("GET", "/console/sign-in/oidc", headers={})).status == 503
    assert rogue.asked == ["metadata"]


# the user and their scopes


@pytest.mark.parametrize(
    "groups", [None, [], "", ["gardeners"], [7, None, {}], {"staff": True}, "Staff", ["staff "], ["staff,owners"]]
)
async def test_users_without_a_configured_group_cannot_sign_in(api: Api, rogue: RogueProvider, groups: Any) -> None:
    rogue.claims = {"groups": groups}
    await refused(api, await try_sign_in(api, rogue), 403)


@pytest.mark.parametrize("user", ["key:shop", "erased:1", "a/b", "", "x" * 129, "..", 7, ["mara"], None])
async def test_an_invalid_user_claim_is_refused(make_api: MakeApi, rogue: RogueProvider, user: Any) -> None:
    rogue.claims = {"upn": user}
    async with make_api(**make_settings(rogue, OIDC_USER_CLAIM="upn")) as api:
        await refused(api, await try_sign_in(api, rogue), 403)


@pytest.mark.parametrize(("verified", "shown"), [(True, 200), (False, 403), (None, 403), ("true", 403)])
async def test_an_address_counts_if_the_provider_verified_it(
    make_api: MakeApi, rogue: RogueProvider, verified: Any, shown: int
) -> None:
    rogue.claims = {"email": "mara@example.com", "email_verified": verified}
    groups = json.dumps({"mara@example.com": "audit"})
    async with make_api(**make_settings(rogue, OIDC_GROUPS_CLAIM="email", OIDC_GROUPS=groups)) as api:
        assert (await try_sign_in(api, rogue)).status == shown
    async with make_api(**make_settings(rogue, OIDC_USER_CLAIM="email")) as api:
        assert (await try_sign_in(api, rogue)).status == shown


async def test_a_group_may_be_one_text(make_api: MakeApi, rogue: RogueProvider) -> None:
    rogue.claims = {"hd": "example.com"}
    async with make_api(**make_settings(rogue, OIDC_GROUPS_CLAIM="hd")) as api:
        assert (await try_sign_in(api, rogue)).status == 200
        assert [session.scopes for session in await api.database.sessions.all()] == [frozenset({"analytics"})]


async def test_userinfo_must_belong_to_the_same_person(make_api: MakeApi, rogue: RogueProvider) -> None:
    rogue.metadata["userinfo_endpoint"] = f"{rogue.issuer}/userinfo"
    rogue.claims = {"groups": None}
    async with make_api(**make_settings(rogue)) as api:
        rogue.told = {"sub": "somebody else", "groups": ["staff"]}
        await refused(api, await try_sign_in(api, rogue), 502)
        rogue.told = {"groups": ["staff"]}
        await refused(api, await try_sign_in(api, rogue), 502)
        rogue.told = {"sub": "mara", "groups": ["staff"], "name": "Mara", "iss": "https://evil.example"}
        assert (await try_sign_in(api, rogue)).status == 200
        assert [session.name for session in await api.database.sessions.all()] == ["Mara"]


@pytest.mark.parametrize("name", ["\u0000", "a\nb", "", "   ", 7, ["Mara"]])
async def test_a_name_that_is_none_is_left_out(api: Api, rogue: RogueProvider, name: Any) -> None:
    rogue.claims = {"name": name, "preferred_username": "x" * 300}
    assert (await try_sign_in(api, rogue)).status == 200
    assert [session.name for session in await api.database.sessions.all()] == ["x" * 128]


# coming back


@pytest.mark.parametrize(
    "query",
    ["", "code=c", "code=c&state=", "code=c&state=A", "state={}", "code=c&state={}&state={}", "%ff=%ff&state={}"],
)
async def test_an_invalid_callback_is_refused(api: Api, rogue: RogueProvider, query: str) -> None:
    browser = Browser(api)
    state = await begin_sign_in(browser, rogue)
    response = await return_to(browser, query.replace("{}", state))
    await refused(api, response, 502 if query == "state={}" else 400)
    assert "token" not in rogue.asked


@pytest.mark.parametrize("kept", [None, "", "nonsense", "A" * 43, "A" * 43 + ".!", "." * 43, "A" * 3000])
async def test_an_unknown_state_cookie_is_refused(api: Api, rogue: RogueProvider, kept: str | None) -> None:
    browser = Browser(api)
    state = await begin_sign_in(browser, rogue)
    browser.jar = {} if kept is None else {"__Host-sharetally-sign-in": kept}
    await refused(api, await return_to(browser, f"code=c&state={state}"), 400)
    assert "token" not in rogue.asked


PAGES = [
    ("/console", "/console"),
    ("/console/", "/console/"),
    ("/console/audit?action=shared&from=2026-11-20T00%3A00%3A00Z", None),
    ("/console/content/video/abc", None),
    ("https://evil.example/console", "/console"),
    ("//evil.example/console", "/console"),
    ("/\\evil.example", "/console"),
    ("/console/../s/abc", "/console"),
    ("/console/%2e%2e/s/abc", "/console"),
    ("/consolex", "/console"),
    ("/console//evil.example", "/console"),
    ("/console\\..\\x", "/console"),
    ('/console/"><script>', "/console"),
    ("/console/a\nb", "/console"),
    ("javascript:alert(1)", "/console"),
    ("/docs", "/console"),
    ("/console/" + "x" * 2000, "/console"),
    ("", "/console"),
]


@pytest.mark.parametrize(("wanted", "page"), PAGES)
def test_sign_in_returns_only_to_console_pages(wanted: str, page: str | None) -> None:
    assert sign_in_cookie.safe_return_page(wanted) == (page or wanted)
    cookie, _ = sign_in_cookie.begin_sign_in(wanted)
    resumed = sign_in_cookie.resume_sign_in(cookie)
    assert resumed is not None
    assert resumed[1] == (page or wanted)


@pytest.mark.parametrize("returns", ["/at/console/audit", "/console/audit"])
async def test_below_a_root_path_it_is_the_same_page(make_api: MakeApi, rogue: RogueProvider, returns: str) -> None:
    async with make_api(**make_settings(rogue, PUBLIC_URL=f"{PUBLIC}/at", ROOT_PATH="/at")) as api:
        browser = Browser(api)
        state = await begin_sign_in(browser, rogue, f"?return={returns}")
        response = await return_to(browser, f"code=c&state={state}")
        assert 'content="0;url=/at/console/audit"' in response.body.decode()


async def test_without_a_provider_the_routes_do_not_exist(readonly_api: Api) -> None:
    for path in ("/console/sign-in/oidc", "/console/sign-in/oidc/callback?code=c&state=s"):
        assert (await readonly_api.request("GET", path, user=None)).status == 404
