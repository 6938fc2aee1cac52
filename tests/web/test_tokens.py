"""Tokens: what we sign we believe, and nothing else; each forgery here is made by hand."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc.jwk import Key, RSAKey

from sharetally.domain.errors import ConfigurationError, InvalidRequest, Unauthenticated
from sharetally.web.auth import tokens
from sharetally.web.auth.issuing import TokenSigner
from sharetally.web.auth.signatures import KeySource, SharedSecret
from sharetally.web.auth.tokens import TokenRules, TokenVerifier
from tests.web.forging import octets, pem, rsa_key, segments, with_key, with_secret
from tests.web.manual_clock import ManualClock

pytestmark = pytest.mark.anyio

SECRET = "correct horse battery staple, and then some"
HS256 = {"alg": "HS256", "typ": "JWT"}
STRICT = TokenRules(issuer="https://id.example", audience="shares-api")


class OneKey:
    """A source that has one public key and counts how often it is called."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self.asked = 0

    async def key(self, *, algorithm: str, kid: str | None) -> Key:
        self.asked += 1
        return self._key


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def verifier(clock: ManualClock, rules: TokenRules | None = None, **more: KeySource) -> TokenVerifier:
    sources = {"HS256": SharedSecret(SECRET), **more}
    return TokenVerifier(sources=sources, rules=rules or TokenRules(), clock=clock)


def signer(clock: ManualClock, rules: TokenRules | None = None) -> TokenSigner:
    return TokenSigner(secret=SharedSecret(SECRET), algorithm="HS256", rules=rules or TokenRules(), clock=clock)


def claims(clock: ManualClock, **more: object) -> dict[str, object]:
    """Claims that are in order, with changes; None takes a claim out."""
    whole = {"sub": "alice", "exp": clock.seconds() + 60, **more}
    return {name: value for name, value in whole.items() if value is not None}


def token(clock: ManualClock, **more: object) -> str:
    return with_secret(HS256, claims(clock, **more), SECRET.encode())


async def refusal(checking: TokenVerifier, forged: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await checking.verify(forged)
    assert SECRET not in caught.value.detail
    return caught.value.detail


def claims_of(signed: str) -> Mapping[str, Any]:
    part = signed.split(".")[1]
    read: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read


# what we sign


async def test_tokens_we_sign_are_accepted(clock: ManualClock) -> None:
    signed = signer(clock, STRICT).sign(user_id="Zoë", scopes={"shares", "audit"}, ttl=300)
    caller = await verifier(clock, STRICT).verify(signed)
    assert (caller.user_id, caller.actor) == ("Zoë", "Zoë")
    assert caller.scopes == {"shares", "audit"}


async def test_our_tokens_contain_the_required_claims(clock: ManualClock) -> None:
    rules = TokenRules(issuer="https://id.example", audience="api", user_claim="uid", scope_claim="may")
    first = claims_of(signer(clock, rules).sign(user_id="alice", scopes={"shares"}, ttl=300))
    second = claims_of(signer(clock, rules).sign(user_id="alice", scopes={"shares"}, ttl=300))
    issued = int(clock.seconds())
    assert {name: first[name] for name in first if name != "jti"} == {
        "iss": "https://id.example",
        "aud": "api",
        "uid": "alice",
        "may": "shares",
        "iat": issued,
        "exp": issued + 300,
    }
    assert first["jti"] != second["jti"]


@pytest.mark.parametrize("user", ["", "a/b", ".", "..", "x" * 129, "a\x00b", "key:shop", "erased:1"])
async def test_no_token_is_issued_for_an_invalid_user_id(clock: ManualClock, user: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        signer(clock).sign(user_id=user, scopes={"shares"}, ttl=60)
    assert caught.value.invalid[0][0] == "userId"


def test_a_public_key_is_refused_as_a_secret() -> None:
    with pytest.raises(ConfigurationError, match="JWKS_URL"):
        SharedSecret(pem(rsa_key()).decode())


# time


async def test_an_expired_token_is_refused_after_the_leeway(clock: ManualClock) -> None:
    old = token(clock)
    clock.advance(60 + 29)
    assert (await verifier(clock).verify(old)).user_id == "alice"
    clock.advance(1)
    assert await refusal(verifier(clock), old) == "the token has expired"


async def test_a_remembered_token_is_refused_as_soon_as_a_new_one_would_be(clock: ManualClock) -> None:
    checking = verifier(clock)
    old = token(clock)
    await checking.verify(old)
    clock.advance(60 + 30)
    assert await refusal(checking, old) == "the token has expired"


async def test_a_token_that_never_ends_is_refused(clock: ManualClock) -> None:
    assert await refusal(verifier(clock), token(clock, exp=None)) == ("the token lacks the required claim 'exp'")


@pytest.mark.parametrize("moment", ["tomorrow", True, [], {}])
async def test_an_expiry_that_is_not_a_time_is_refused(clock: ManualClock, moment: object) -> None:
    assert "'exp'" in await refusal(verifier(clock), token(clock, exp=moment))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
async def test_an_expiry_that_is_not_a_number_is_refused(clock: ManualClock, number: str) -> None:
    forged = with_secret(HS256, f'{{"sub": "alice", "exp": {number}}}', SECRET.encode())
    assert await refusal(verifier(clock), forged) == "the token contains no claims"


async def test_an_expiry_beyond_all_calendars_is_only_far_away(clock: ManualClock) -> None:
    assert (await verifier(clock).verify(token(clock, exp=10**30))).user_id == "alice"


@pytest.mark.parametrize(
    ("claim", "told"),
    [("nbf", "the token is not valid yet"), ("iat", "the token was issued in the future")],
)
async def test_a_token_from_the_future_is_refused(clock: ManualClock, claim: str, told: str) -> None:
    forged = token(clock, **{claim: clock.seconds() + 31})
    assert await refusal(verifier(clock), forged) == told
    clock.advance(1)
    assert (await verifier(clock).verify(forged)).user_id == "alice"


# issuer and audience


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"iss": "https://evil.example"}, "the token comes from another issuer than the expected one"),
        ({"iss": ["https://id.example"]}, "the token comes from another issuer than the expected one"),
        ({"iss": None}, "the token lacks the required claim 'iss'"),
        ({"aud": "other-api"}, "the token is for another audience"),
        ({"aud": ["other-api", "third"]}, "the token is for another audience"),
        ({"aud": []}, "the token is for another audience"),
        ({"aud": None}, "the token lacks the required claim 'aud'"),
    ],
)
async def test_a_token_for_others_is_refused(clock: ManualClock, more: dict[str, object], told: str) -> None:
    forged = token(clock, **{"iss": "https://id.example", "aud": "shares-api", **more})
    assert await refusal(verifier(clock, STRICT), forged) == told


async def test_one_of_several_audiences_is_enough(clock: ManualClock) -> None:
    meant = token(clock, iss="https://id.example", aud=["other-api", "shares-api"])
    assert (await verifier(clock, STRICT).verify(meant)).user_id == "alice"


# signatures


async def test_a_forged_signature_is_refused(clock: ManualClock) -> None:
    forged = with_secret(HS256, claims(clock), b"not the secret at all, but as long as it")
    assert await refusal(verifier(clock), forged) == "the token's signature is not valid"


async def test_changed_claims_are_refused(clock: ManualClock) -> None:
    header, _, signature = token(clock).split(".")
    changed = octets(json.dumps(claims(clock, sub="mallory")).encode())
    assert "signature" in await refusal(verifier(clock), f"{header}.{changed}.{signature}")


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "HS512", "RS256"])
async def test_an_algorithm_that_was_not_configured_is_refused(clock: ManualClock, name: str) -> None:
    for signature in ("", octets(b"x" * 32), token(clock).split(".")[2]):
        forged = f"{segments({'alg': name}, claims(clock))}.{signature}"
        assert await refusal(verifier(clock), forged) == "the token's algorithm is not one of HS256"


async def test_two_algorithms_in_one_header_are_refused(clock: ManualClock) -> None:
    for header in ('{"alg":"HS256","alg":"none"}', '{"alg":"none","alg":"HS256"}'):
        await refusal(verifier(clock), f"{segments(header, claims(clock))}.")


async def test_a_public_key_never_serves_as_a_secret(clock: ManualClock) -> None:
    key = rsa_key()
    checking = verifier(clock, RS256=OneKey(RSAKey.import_key(pem(key))))
    assert (await checking.verify(with_key({"alg": "RS256"}, claims(clock), key))).user_id == "alice"
    forged = with_secret(HS256, claims(clock), pem(key))
    assert await refusal(checking, forged) == "the token's signature is not valid"
    only_keys = TokenVerifier(sources={"RS256": OneKey(RSAKey.import_key(pem(key)))}, rules=TokenRules(), clock=clock)
    assert await refusal(only_keys, forged) == "the token's algorithm is not one of RS256"


async def test_a_key_that_the_token_brings_along_is_not_used(clock: ManualClock) -> None:
    brought = {"kty": "oct", "k": octets(b"a key of the attacker's own, 32 octets")}
    forged = with_secret({**HS256, "jwk": brought}, claims(clock), b"a key of the attacker's own, 32 octets")
    assert await refusal(verifier(clock), forged) == "the token's signature is not valid"


@pytest.mark.parametrize("more", [{"crit": ["exp"], "exp": 1}, {"b64": False, "crit": ["b64"]}, {"crit": []}])
async def test_extensions_are_refused(clock: ManualClock, more: dict[str, object]) -> None:
    forged = with_secret({**HS256, **more}, claims(clock), SECRET.encode())
    assert await refusal(verifier(clock), forged) == "the token requires extensions that are not supported"


async def test_unknown_header_fields_are_ignored(clock: ManualClock) -> None:
    signed = with_secret({**HS256, "cat": "cl_1", "kid": "any"}, claims(clock), SECRET.encode())
    assert (await verifier(clock).verify(signed)).user_id == "alice"


# malformed tokens


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a", "a.b.c", "e30.e30.", f"{octets(b'[]')}.e30.", f"{octets(b'7')}.e30.x",
     f'{octets(b"{}")}.e30.', f'{octets(b"[" * 1400)}.e30.', "é.e30.x", f"{octets(bytes([255, 254]))}.e30.x",
     f'{octets(b"{!alg!: [1]}".replace(b"!", bytes([34])))}.e30.'],
)  # fmt: skip
async def test_a_malformed_token_is_refused(clock: ManualClock, text: str) -> None:
    assert await refusal(verifier(clock), text) == "the credential is not a JSON Web Token"


async def test_the_wrong_number_of_parts_is_refused(clock: ManualClock) -> None:
    whole = token(clock)
    for text in (whole + ".x", whole.rpartition(".")[0], whole + ".", "." + whole):
        await refusal(verifier(clock), text)


@pytest.mark.parametrize("payload", ["[]", "7", "null", "{", "[" * 4000])
async def test_invalid_claims_are_refused(clock: ManualClock, payload: str) -> None:
    forged = with_secret(HS256, payload, SECRET.encode())
    assert await refusal(verifier(clock), forged) == "the token contains no claims"


async def test_a_huge_token_is_refused_unread(clock: ManualClock) -> None:
    source = OneKey(RSAKey.import_key(pem(rsa_key())))
    checking = verifier(clock, RS256=source)
    huge = segments({"alg": "RS256"}, claims(clock, pad="x" * 8192)) + ".x"
    assert await refusal(checking, huge) == "the token is longer than 8192 bytes"
    assert source.asked == 0


# the user


@pytest.mark.parametrize(
    "user",
    [None, "", 7, ["alice"], {"id": "alice"}, "a/b", ".", "..", "a\nb", "a\x00b", "a\x7fb", "x" * 129, "key:shop",
     "erased:0190c1a0"],
)  # fmt: skip
async def test_a_token_without_a_user_is_refused(clock: ManualClock, user: object) -> None:
    detail = await refusal(verifier(clock), token(clock, sub=user))
    assert "claim 'sub'" in detail


@pytest.mark.parametrize("user", ["x" * 128, "ü" * 128, "\U0001f600" * 128, " ", "Alice", "a b", "a:b", "a%2Fb"])
async def test_a_user_id_is_used_unchanged(clock: ManualClock, user: str) -> None:
    assert (await verifier(clock).verify(token(clock, sub=user))).user_id == user


async def test_another_claim_may_name_the_user(clock: ManualClock) -> None:
    rules = TokenRules(user_claim="https://id.example/user", scope_claim="permissions")
    more = {"https://id.example/user": "bob", "permissions": ["admin"], "scope": "audit"}
    caller = await verifier(clock, rules).verify(token(clock, **more))
    assert (caller.user_id, caller.scopes) == ("bob", frozenset({"admin"}))


# scopes


@pytest.mark.parametrize(
    ("claim", "scopes"),
    [
        (None, {"shares"}),
        ("", {"shares"}),
        ([], {"shares"}),
        ("shares", {"shares"}),
        ("audit", {"audit"}),
        (" admin  audit ", {"admin", "audit"}),
        (["shares", "admin"], {"shares", "admin"}),
        ("openid profile email", {"shares"}),
        ("openid audit", {"audit"}),
        ("read:invoices", set()),
        ("act-as", set()),
        ("SHARES", set()),
    ],
)
async def test_scopes_come_from_the_token(clock: ManualClock, claim: object, scopes: set[str]) -> None:
    assert (await verifier(clock).verify(token(clock, scope=claim))).scopes == scopes


@pytest.mark.parametrize("claim", [7, {"shares": True}, ["shares", 7]])
async def test_scopes_that_are_none_are_refused(clock: ManualClock, claim: object) -> None:
    assert "scopes" in await refusal(verifier(clock), token(clock, scope=claim))


# the cache of verified tokens


async def test_a_token_is_verified_once_and_again_after_five_minutes(clock: ManualClock) -> None:
    key = rsa_key()
    source = OneKey(RSAKey.import_key(pem(key)))
    checking = verifier(clock, RS256=source)
    signed = with_key({"alg": "RS256"}, claims(clock, exp=clock.seconds() + 3600), key)
    assert await checking.verify(signed) == await checking.verify(signed)
    assert source.asked == 1
    clock.advance(299)
    await checking.verify(signed)
    assert source.asked == 1
    clock.advance(1)
    await checking.verify(signed)
    assert source.asked == 2


async def test_the_cache_of_verified_tokens_is_bounded(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CACHE_SIZE", 3)
    key = rsa_key()
    source = OneKey(RSAKey.import_key(pem(key)))
    checking = verifier(clock, RS256=source)
    signed = [with_key({"alg": "RS256"}, claims(clock, sub=user), key) for user in "abcd"]
    for each in signed:
        await checking.verify(each)
    await checking.verify(signed[3])
    assert source.asked == 4
    await checking.verify(signed[0])
    assert source.asked == 5


async def test_a_refused_token_is_not_remembered(clock: ManualClock) -> None:
    checking = verifier(clock)
    early = token(clock, nbf=clock.seconds() + 60, exp=clock.seconds() + 600)
    await refusal(checking, early)
    clock.advance(60)
    assert (await checking.verify(early)).user_id == "alice"
