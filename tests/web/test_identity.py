"""Callers: each credential in each place where it is allowed, and everything that is not a credential."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from sharetally.domain.caller import Caller
from sharetally.domain.errors import Conflict, Forbidden, InvalidRequest, Unauthenticated, Unavailable
from sharetally.ports import ApiKey
from sharetally.web.auth import api_keys as module
from sharetally.web.auth.api_keys import ApiKeyCache, new_key
from sharetally.web.auth.authenticator import CredentialAuthenticator, has_credential
from sharetally.web.auth.issuing import TokenIssuer, TokenSigner
from sharetally.web.auth.signatures import SharedSecret
from sharetally.web.auth.tokens import TokenRules, TokenVerifier
from tests.web.manual_clock import ManualClock

pytestmark = pytest.mark.anyio

SECRET = SharedSecret("correct horse battery staple, and then some")
UNKNOWN = "stk_" + "A" * 43


class FakeKeyStore:
    """Keys in memory; counts look-ups, and can be away."""

    def __init__(self) -> None:
        self.stored: dict[UUID, ApiKey] = {}
        self.looked_up = 0
        self.away = False
        self.noted: list[list[UUID]] = []
        self.is_noted = asyncio.Event()

    async def add(self, key: ApiKey) -> None:
        self.stored[key.id] = key

    async def all(self) -> list[ApiKey]:
        return list(self.stored.values())[::-1]

    async def by_digest(self, digest: bytes) -> ApiKey | None:
        self.looked_up += 1
        if self.away:
            raise Unavailable
        return next((key for key in self.stored.values() if key.digest == digest), None)

    async def by_id(self, key_id: UUID) -> ApiKey | None:
        return self.stored.get(key_id)

    async def record_use(self, key_ids: Collection[UUID], *, at_most_every: float) -> None:
        if self.away:
            raise Unavailable
        self.noted.append(sorted(key_ids))
        self.is_noted.set()

    async def revoke(self, key_id: UUID) -> bool:
        key = self.stored[key_id]
        self.stored[key_id] = replace(key, revoked_at=key.revoked_at or key.created_at)
        return True


class IdentityHarness:
    """The service as one process knows it: its keys, its tokens, and a clock."""

    def __init__(self, *, signs: bool = True) -> None:
        self.clock = ManualClock()
        self.store = FakeKeyStore()
        self.signer = TokenSigner(secret=SECRET, algorithm="HS256", rules=TokenRules(), clock=self.clock)
        self.verifier = TokenVerifier(sources={"HS256": SECRET}, rules=TokenRules(), clock=self.clock)
        self.credentials = CredentialAuthenticator(
            tokens=self.verifier,
            keys=ApiKeyCache(self.store, now=self.clock.seconds),
        )
        self.issuer = TokenIssuer(signer=self.signer if signs else None, clock=self.clock)

    async def key(self, name: str = "shop", *scopes: str) -> str:
        """A new key's text; with `shares` alone if no scopes are named."""
        plain, key = new_key(name, set(scopes) or {"shares"}, clock=self.clock)
        await self.store.add(key)
        return plain

    async def revoke_all(self) -> None:
        for key_id in self.store.stored:
            await self.store.revoke(key_id)

    async def request(self, *headers: tuple[str, str | bytes]) -> Caller:
        return await self.credentials.authenticate(raw(*headers))


def raw(*headers: tuple[str, str | bytes]) -> list[tuple[bytes, bytes]]:
    """Headers as a server hands them over."""
    return [(name.lower().encode(), value.encode() if isinstance(value, str) else value) for name, value in headers]


def bearer(credential: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {credential}"


@pytest.fixture
def harness() -> IdentityHarness:
    return IdentityHarness()


# tokens


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_token_names_its_user(harness: IdentityHarness, scheme: str) -> None:
    token = harness.signer.sign(user_id="alice", scopes={"shares"}, ttl=60)
    caller = await harness.request(("Authorization", f"{scheme} {token}"))
    assert caller == Caller(user_id="alice", actor="alice", scopes=frozenset({"shares"}))


async def test_a_token_never_acts_for_others(harness: IdentityHarness) -> None:
    token = harness.signer.sign(user_id="alice", scopes={"act-as", "shares"}, ttl=60)
    assert (await harness.request(bearer(token))).scopes == {"shares"}
    with pytest.raises(Forbidden):
        await harness.request(bearer(token), ("X-User-Id", "bob"))


# malformed credentials


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Bearer a b")],
        [("Authorization", "Basic YWxpY2U6c2VjcmV0")],
        [("Authorization", b"Bearer \xff\xfe")],
        [("Authorization", "Bearer ünïcode")],
        [("X-Api-Key", "")],
        [("X-Api-Key", "eyJhbGciOiJIUzI1NiJ9.e30.x")],
        [("X-Api-Key", "stk_short")],
        [("X-Api-Key", UNKNOWN + "A")],
        [("X-Api-Key", UNKNOWN)],
        [("X-User-Id", "alice")],
        [bearer(UNKNOWN)],
        [bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.")],
    ],
)
async def test_a_malformed_credential_is_refused(
    harness: IdentityHarness, headers: list[tuple[str, str | bytes]]
) -> None:
    with pytest.raises(Unauthenticated):
        await harness.request(*headers)


async def test_several_credentials_are_none(harness: IdentityHarness) -> None:
    key, other = await harness.key("one"), await harness.key("two")
    for second in (bearer(other), ("X-Api-Key", key), bearer(key)):
        with pytest.raises(Unauthenticated, match="one credential"):
            await harness.request(bearer(key), second)


async def test_an_invalid_credential_differs_from_a_missing_one(harness: IdentityHarness) -> None:
    assert not has_credential(raw(("Accept", "*/*")))
    assert has_credential(raw(bearer("broken")))
    assert has_credential(raw(("X-Api-Key", "")))


# keys


async def test_a_key_acts_as_itself(harness: IdentityHarness) -> None:
    key = await harness.key("shop", "shares", "audit")
    expected = Caller(user_id="key:shop", actor="key:shop", scopes=frozenset({"shares", "audit"}))
    assert await harness.request(bearer(key)) == expected
    assert await harness.request(("X-Api-Key", key)) == expected


@pytest.mark.parametrize("user", ["alice", "Zoë", "\U0001f600" * 128, "a b", "a:b", "a%2Fb"])
async def test_a_key_that_may_act_as_names_the_user(harness: IdentityHarness, user: str) -> None:
    key = await harness.key("shop", "shares", "act-as")
    caller = await harness.request(bearer(key), ("X-User-Id", user))
    assert (caller.user_id, caller.actor) == (user, "key:shop")
    assert caller.scopes == {"shares", "act-as"}


async def test_a_key_that_may_act_as_need_not(harness: IdentityHarness) -> None:
    assert (await harness.request(bearer(await harness.key("shop", "act-as")))).user_id == "key:shop"


async def test_a_key_without_act_as_may_not_name_a_user(harness: IdentityHarness) -> None:
    key = await harness.key("shop", "shares", "admin", "audit")
    for user in ("alice", "key:shop", ""):
        with pytest.raises(Forbidden):
            await harness.request(bearer(key), ("X-User-Id", user))


@pytest.mark.parametrize(
    "user", ["a/b", ".", "..", "x" * 129, b"a\x00b", b"a\x7fb", b"\xff", b"\xed\xa0\x80", "key:shop", "erased:1"]
)
async def test_a_malformed_user_is_named(harness: IdentityHarness, user: str | bytes) -> None:
    key = await harness.key("shop", "act-as")
    with pytest.raises(InvalidRequest) as caught:
        await harness.request(bearer(key), ("X-User-Id", user))
    assert [path for path, _ in caught.value.invalid] == ["X-User-Id"]


async def test_an_empty_user_id_is_refused(harness: IdentityHarness) -> None:
    key = await harness.key("shop", "act-as")
    with pytest.raises(Unauthenticated):
        await harness.request(bearer(key), ("X-User-Id", ""))


async def test_two_users_at_once_are_refused(harness: IdentityHarness) -> None:
    key = await harness.key("shop", "act-as")
    with pytest.raises(InvalidRequest):
        await harness.request(bearer(key), ("X-User-Id", "alice"), ("X-User-Id", "bob"))


# looking keys up


async def test_a_key_is_looked_up_once_in_five_seconds(harness: IdentityHarness) -> None:
    key = await harness.key()
    for _ in range(10):
        await harness.request(bearer(key))
    assert harness.store.looked_up == 1
    harness.clock.advance(5)
    await harness.request(bearer(key))
    assert harness.store.looked_up == 2


async def test_a_revoked_key_stops_within_ten_seconds(harness: IdentityHarness) -> None:
    key = await harness.key()
    await harness.request(bearer(key))
    await harness.revoke_all()
    harness.clock.advance(9)
    with pytest.raises(Unauthenticated, match="revoked"):
        await harness.request(bearer(key))


async def test_an_unknown_key_is_looked_up_once_in_five_seconds(harness: IdentityHarness) -> None:
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            await harness.request(bearer(UNKNOWN))
    assert harness.store.looked_up == 1


async def test_a_new_key_works_within_five_seconds_of_having_been_tried(harness: IdentityHarness) -> None:
    plain, key = new_key("shop", {"shares"}, clock=harness.clock)
    with pytest.raises(Unauthenticated):
        await harness.request(bearer(plain))
    await harness.store.add(key)
    harness.clock.advance(5)
    assert (await harness.request(bearer(plain))).user_id == "key:shop"


async def test_a_flood_of_unknown_keys_does_not_push_out_a_known_one(
    harness: IdentityHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 3)
    harness.credentials = CredentialAuthenticator(
        tokens=harness.verifier,
        keys=ApiKeyCache(harness.store, now=harness.clock.seconds),
    )
    key = await harness.key()
    await harness.request(bearer(key))
    for number in range(10):
        with pytest.raises(Unauthenticated):
            await harness.request(bearer(f"stk_{number:043}"))
    assert harness.store.looked_up == 11
    await harness.request(bearer(key))
    assert harness.store.looked_up == 11


async def test_while_the_store_is_unavailable_credentials_are_not_refused(harness: IdentityHarness) -> None:
    key = await harness.key()
    harness.store.away = True
    with pytest.raises(Unavailable):
        await harness.request(bearer(key))
    harness.store.away = False
    assert (await harness.request(bearer(key))).user_id == "key:shop"


# making keys


def test_a_key_is_random_and_only_its_hash_is_stored() -> None:
    clock = ManualClock()
    plain, key = new_key("shop", {"shares"}, clock=clock)
    other, _ = new_key("shop", {"shares"}, clock=clock)
    assert re.fullmatch(r"stk_[A-Za-z0-9_-]{43}", plain)
    assert plain != other
    assert key.digest == hashlib.sha256(plain.encode()).digest()
    assert (key.name, key.scopes) == ("shop", frozenset({"shares"}))
    assert (key.created_at, key.revoked_at) == (clock.now(), None)
    assert plain not in repr(key)


@pytest.mark.parametrize(
    ("name", "scopes", "path"),
    [
        ("", {"shares"}, "name"),
        ("my shop", {"shares"}, "name"),
        ("x" * 65, {"shares"}, "name"),
        ("shop", set[str](), "scopes"),
        ("shop", {"shares", "root"}, "scopes"),
    ],
)
def test_a_key_needs_a_name_and_scopes(name: str, scopes: set[str], path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        new_key(name, scopes, clock=ManualClock())
    assert caught.value.invalid[0][0] == path


# tokens for users


async def test_a_server_gets_tokens_for_its_users(harness: IdentityHarness) -> None:
    server = await harness.request(bearer(await harness.key("shop", "act-as", "shares", "audit")))
    issued = harness.issuer.issue(server, user_id="alice")
    assert issued.scopes == {"shares"}
    assert issued.expires_at == harness.clock.now() + timedelta(seconds=300)
    caller = await harness.request(bearer(issued.token))
    assert (caller.user_id, caller.actor, caller.scopes) == ("alice", "alice", frozenset({"shares"}))
    wider = harness.issuer.issue(server, user_id="alice", scope="shares audit", ttl=86_400)
    assert (await harness.request(bearer(wider.token))).scopes == {"shares", "audit"}
    harness.clock.advance(300 + 30)
    with pytest.raises(Unauthenticated, match="expired"):
        await harness.request(bearer(issued.token))


async def test_keys_without_act_as_get_no_token(harness: IdentityHarness) -> None:
    key = await harness.request(bearer(await harness.key("shop", "shares", "admin")))
    token = harness.signer.sign(user_id="alice", scopes={"shares", "act-as"}, ttl=60)
    for caller in (key, await harness.request(bearer(token))):
        with pytest.raises(Forbidden):
            harness.issuer.issue(caller, user_id="bob")


@pytest.mark.parametrize("scope", ["admin", "shares admin", "audit"])
async def test_a_token_is_never_wider_than_its_key(harness: IdentityHarness, scope: str) -> None:
    server = await harness.request(bearer(await harness.key("shop", "act-as", "shares")))
    with pytest.raises(Forbidden):
        harness.issuer.issue(server, user_id="alice", scope=scope)


async def test_act_as_alone_lets_users_share_and_nothing_else(harness: IdentityHarness) -> None:
    server = await harness.request(bearer(await harness.key("shop", "act-as")))
    assert harness.issuer.issue(server, user_id="alice").scopes == {"shares"}
    with pytest.raises(Forbidden):
        harness.issuer.issue(server, user_id="alice", scope="audit")


@pytest.mark.parametrize(
    ("user", "scope", "ttl", "path"),
    [
        ("alice", "act-as", 300, "scope"),
        ("alice", "root", 300, "scope"),
        ("alice", "", 300, "scope"),
        ("alice", None, 0, "ttl"),
        ("alice", None, 86_401, "ttl"),
        ("", None, 300, "userId"),
        ("a/b", None, 300, "userId"),
        ("key:shop", None, 300, "userId"),
    ],
)
async def test_a_malformed_token_request_is_reported(
    harness: IdentityHarness, user: str, scope: str | None, ttl: int, path: str
) -> None:
    server = await harness.request(bearer(await harness.key("shop", "act-as", "shares")))
    with pytest.raises(InvalidRequest) as caught:
        harness.issuer.issue(server, user_id=user, scope=scope, ttl=ttl)
    assert caught.value.invalid[0][0] == path


async def test_without_a_secret_nothing_is_signed() -> None:
    harness = IdentityHarness(signs=False)
    server = await harness.request(bearer(await harness.key("shop", "act-as", "shares")))
    with pytest.raises(Conflict, match="JWT_SECRET"):
        harness.issuer.issue(server, user_id="alice")
