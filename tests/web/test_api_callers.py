"""Callers: credentials, the scopes of every route, tokens for one's own front end, and limits."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.web.api import CLIENT, SECRET, Api, HttpResponse, forge_token, invalid_paths, problem
from tests.web.conftest import MakeApi

pytestmark = pytest.mark.anyio
LINK = "/share-links/0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f"
SIGNED = [
    ("GET", "/videos/abc/share-status"),
    ("GET", "/content/video/abc/share-status"),
    ("GET", "/share-links"),
    ("GET", LINK),
    ("GET", "/proof/video/abc"),
    ("GET", "/audit"),
]
SHARES = [
    ("POST", "/videos/abc/share"),
    ("POST", "/content/video/abc/share"),
    ("DELETE", "/videos/abc/share/twitter"),
    ("DELETE", "/content/video/abc/share/twitter"),
    ("POST", "/videos/abc/share/twitter/retry"),
    ("POST", "/content/video/abc/share/twitter/retry"),
    ("POST", "/share-links"),
    ("PATCH", LINK),
    ("DELETE", LINK),
]
ADMIN = [("POST", "/share-links/count/video/abc/adjustments"), ("POST", "/share-links/adjustments")]
ACT_AS = [("POST", "/tokens")]
PUBLIC = ["/platforms", "/share-links/count/video/abc", "/health", "/health/live", "/health/ready", "/openapi.json"]
PUBLIC += ["/asyncapi.json", "/docs", "/demo", "/problems/conflict"]


def now() -> int:
    return int(time.time())


@pytest.mark.parametrize(("method", "path"), SIGNED + SHARES + ADMIN + ACT_AS)
async def test_without_a_credential_it_is_401(readonly_api: Api, method: str, path: str) -> None:
    response = await readonly_api.request(method, path, user=None)
    problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [(*each, "audit admin") for each in SHARES]
    + [(*each, "shares audit") for each in ADMIN]
    + [(*each, "shares audit analytics admin") for each in ACT_AS],
)
async def test_without_the_scope_it_is_403(readonly_api: Api, method: str, path: str, scope: str) -> None:
    problem(await readonly_api.request(method, path, scope=scope), 403, "forbidden")


@pytest.mark.parametrize("path", PUBLIC)
async def test_public_endpoints_need_no_credential(readonly_api: Api, path: str) -> None:
    assert (await readonly_api.request("GET", path, user=None)).status == 200


FORGED = {
    "expired": forge_token({"sub": "anna", "exp": now() - 3600}),
    "no expiry": forge_token({"sub": "anna"}),
    "no user": forge_token({"exp": now() + 60}),
    "empty user": forge_token({"sub": "", "exp": now() + 60}),
    "another secret": forge_token({"sub": "anna", "exp": now() + 60}, secret=SECRET + "!"),
    "none": forge_token({"sub": "anna", "exp": now() + 60}, algorithm="none"),
    "none, unsigned": forge_token({"sub": "anna", "exp": now() + 60}, algorithm="none").rpartition(".")[0] + ".",
    "another algorithm": forge_token({"sub": "anna", "exp": now() + 60}, algorithm="HS512"),
    "a server's name": forge_token({"sub": "key:shop", "exp": now() + 60}),
    "not yet": forge_token({"sub": "anna", "exp": now() + 7200, "nbf": now() + 3600}),
    "no token": "nonsense",
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
async def test_a_token_that_does_not_hold_is_401_and_not_repeated(readonly_api: Api, token: str) -> None:
    response = await readonly_api.share("abc", user=None, headers={"authorization": f"Bearer {token}"})
    problem(response, 401, "unauthenticated")
    assert token not in response.body.decode()
    assert await readonly_api.audit_lines("video/abc") == []


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "stk_short", "Bearer \xe9"])
async def test_a_header_without_a_valid_credential_is_401(readonly_api: Api, value: str) -> None:
    problem(await readonly_api.share("abc", user=None, headers={"authorization": value}), 401, "unauthenticated")


async def test_two_credentials_are_one_too_many(api: Api) -> None:
    token, key = f"Bearer {api.token()}", await api.key("shop", "shares")
    for headers in ([("authorization", token)] * 2, [("authorization", token), ("x-api-key", key)]):
        problem(await api.share("abc", user=None, headers=headers), 401, "unauthenticated")


# API keys and acting on behalf of users


async def test_a_key_acts_as_itself(api: Api, video: str) -> None:
    key = await api.key("shop", "shares")
    for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}):
        assert (await api.share(video, "twitter", user=None, headers=headers)).status == 200
    assert [line["userId"] for line in await api.audit_lines(f"video/{video}")] == ["key:shop"]


async def test_only_keys_with_act_as_may_name_a_user(api: Api, video: str) -> None:
    plain, acting = await api.key("plain", "shares"), await api.key("acting", "shares", "act-as")

    async def share(credential: str, *users: str) -> HttpResponse:
        headers = [("authorization", f"Bearer {credential}"), *(("x-user-id", user) for user in users)]
        return await api.share(video, "twitter", user=None, headers=headers)

    problem(await share(plain, "carla"), 403, "forbidden")
    problem(await share(api.token(), "carla"), 403, "forbidden")
    problem(await share(api.token(), "anna"), 403, "forbidden")
    problem(await share(acting, ""), 401, "unauthenticated")
    for users in (["key:plain"], ["a/b"], ["c" * 129], ["carla", "carla"], ["\xff"], ["."]):
        assert invalid_paths(await share(acting, *users)) == ["X-User-Id"]
    assert (await share(acting, "Çarla".encode().decode("latin-1"))).status == 200
    assert [line["userId"] for line in await api.audit_lines(f"video/{video}")] == ["Çarla"]


async def test_an_unknown_key_is_401(readonly_api: Api) -> None:
    problem(
        await readonly_api.share("abc", user=None, headers={"x-api-key": "stk_" + "A" * 43}), 401, "unauthenticated"
    )


# tokens for one's own front end


async def token(api: Api, body: object, *scopes: str, **headers: str) -> HttpResponse:
    key = await api.key(f"shop-{len(await api.database.keys.all())}", *(scopes or ("shares", "act-as")))
    return await api.request("POST", "/tokens", body, user=None, headers={"x-api-key": key, **headers})


async def test_a_server_gets_a_short_token_for_its_user(api: Api, video: str) -> None:
    response = await token(api, {"userId": "carla"})
    assert (response.status, set(response.json)) == (200, {"token", "scope", "expiresAt"})
    assert response.headers["cache-control"] == "no-store"
    assert response.json["scope"] == "shares"
    ends = time.mktime(time.strptime(response.json["expiresAt"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert abs(ends - (time.time() + 300)) < 30
    bearer = {"authorization": f"Bearer {response.json['token']}"}
    assert (await api.share(video, "twitter", user=None, headers=bearer)).status == 200
    assert (await api.audit_lines(f"video/{video}"))[0]["userId"] == "carla"
    problem(await api.request("POST", "/tokens", {"userId": "dora"}, user=None, headers=bearer), 403, "forbidden")


async def test_it_has_no_scope_that_the_key_lacks(api: Api) -> None:
    body = {"userId": "carla", "scope": "shares audit", "ttl": 86_400}
    problem(await token(api, body), 403, "forbidden")
    assert (await token(api, body, "shares", "audit", "act-as")).json["scope"] == "audit shares"
    problem(await token(api, {"userId": "carla"}, "shares", "audit"), 403, "forbidden")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "userId"),
        ({"userId": ""}, "userId"),
        ({"userId": None}, "userId"),
        ({"userId": "a/b"}, "userId"),
        ({"userId": "key:shop"}, "userId"),
        ({"userId": "erased:1"}, "userId"),
        ({"userId": "𝄞" * 129}, "userId"),
        ({"userId": "carla", "scope": ""}, "scope"),
        ({"userId": "carla", "scope": " "}, "scope"),
        ({"userId": "carla", "scope": "act-as"}, "scope"),
        ({"userId": "carla", "scope": "root"}, "scope"),
        ({"userId": "carla", "scope": ["shares"]}, "scope"),
        ({"userId": "carla", "ttl": 0}, "ttl"),
        ({"userId": "carla", "ttl": 86_401}, "ttl"),
        ({"userId": "carla", "ttl": "300"}, "ttl"),
        ({"userId": "carla", "user": "dora"}, "user"),
    ],
)
async def test_a_malformed_token_request_names_the_field(api: Api, body: dict[str, Any], path: str) -> None:
    assert invalid_paths(await token(api, body)) == [path]


async def test_a_service_without_a_secret_issues_no_tokens(make_api: MakeApi) -> None:
    async with make_api() as api:
        key = await api.key("shop", "shares", "act-as")
    issuer = "https://issuer.example"
    async with make_api(JWKS_URL=f"{issuer}/jwks.json", JWT_ISSUER=issuer, JWT_SECRET=None) as api:
        response = await api.request("POST", "/tokens", {"userId": "carla"}, user=None, headers={"x-api-key": key})
        problem(response, 409, "conflict")


# limits


async def test_writes_report_the_remaining_quota_and_reads_do_not(make_api: MakeApi, video: str) -> None:
    async with make_api(RATE_LIMIT="5/hour") as api:
        response = await api.share(video)
        assert response.headers["ratelimit"].startswith('"writes";r=4;t=')
        assert response.headers["ratelimit-policy"] == '"writes";q=5;w=3600'
        refused = await api.share(video, "myspace")
        problem(refused, 400, "unsupported-platforms")
        assert refused.headers["ratelimit"].startswith('"writes";r=3;t=')
        assert "ratelimit" not in (await api.request("GET", f"/videos/{video}/share-status")).headers


async def test_beyond_the_limit_it_is_429_for_this_user_alone(make_api: MakeApi, video: str) -> None:
    async with make_api(RATE_LIMIT="2/hour") as api:
        for platform in ("twitter", "facebook"):
            assert (await api.share(video, platform)).status == 200
        for method, path in SHARES:
            response = await api.request(method, path, {} if method != "DELETE" else b"")
            problem(response, 429, "rate-limited")
            assert 0 < int(response.headers["retry-after"]) <= 2 * 3600
            assert response.headers["ratelimit"].startswith('"writes";r=0;t=')
            assert response.headers["ratelimit-policy"] == '"writes";q=2;w=3600'
        assert (await api.share(video, "twitter", user="bert")).status == 200
        assert await api.exact_count(f"video/{video}") == 3


# operators


async def test_metrics_are_for_admins_and_for_their_own_networks(make_api: MakeApi) -> None:
    async with make_api(OPS_NETWORKS="10.0.0.0/8") as api:
        problem(await api.request("GET", "/metrics", user=None), 401, "unauthenticated")
        problem(await api.request("GET", "/metrics"), 403, "forbidden")
        problem(await api.request("GET", "/metrics", user=None, client=("127.0.0.1", 1)), 401, "unauthenticated")
        for how in ({"scope": "admin"}, {"user": None, "client": ("10.1.2.3", 1)}):
            response = await api.request("GET", "/metrics", **how)
            assert response.status == 200
            assert b"sharetally_shares_total" in response.body
        forwarded = {"x-forwarded-for": "10.1.2.3"}
        problem(
            await api.request("GET", "/metrics", user=None, headers=forwarded, client=CLIENT), 401, "unauthenticated"
        )
