"""The fakes notice what their descriptions do not allow; otherwise a test against them would prove nothing."""

from __future__ import annotations

import msgspec
import pytest
from openapi_spec_validator import validate
from openapi_spec_validator.readers import read_from_filename

from sharetally.adapters.outbound import OutboundClient
from tests.fakes.api_server import DESCRIPTIONS, Fault, Reply
from tests.fakes.twitter import FakeTwitter, problem

pytestmark = pytest.mark.anyio


async def exchange(fake: FakeTwitter, method: str, target: str, *, headers: dict[str, str], body: bytes) -> None:
    """Send one request to a fake, which then stops and says what was wrong."""
    client = OutboundClient()
    try:
        async with fake.serving():
            await client.request(method, f"{fake.url}{target}", headers=headers, body=body)
    finally:
        await client.close()


@pytest.mark.parametrize("path", sorted(DESCRIPTIONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_description_is_openapi(path: object) -> None:
    document, _ = read_from_filename(str(path))
    validate(document)


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "violation"),
    [
        ("GET", "/2/nothing", {}, None, "is not described"),
        ("POST", "/2/tweets", {}, {"text": "a"}, "header authorization is missing"),
        ("POST", "/2/tweets", {"Authorization": "Bearer a"}, {"text": "a", "reply": {}}, "reply"),
        ("POST", "/2/tweets", {"Authorization": "Bearer a"}, {"text": 1}, "not of type"),
        ("GET", "/2/users/me?expansions=x", {"Authorization": "Bearer a"}, None, "query expansions is not described"),
        ("GET", "/2/users/mara/tweets", {"Authorization": "Bearer a"}, None, "does not match"),
    ],
)
async def test_a_request_that_is_not_described_is_a_violation(
    method: str, target: str, headers: dict[str, str], body: object, violation: str
) -> None:
    sent = headers | ({"Content-Type": "application/json"} if body else {})
    content = msgspec.json.encode(body) if body else b""
    with pytest.raises(AssertionError, match=violation):
        await exchange(FakeTwitter(), method, target, headers=sent, body=content)


@pytest.mark.parametrize(
    ("reply", "violation"),
    [
        (Reply(status=418), "status 418 is not described"),
        (Reply(status=201, json={"data": {"id": 18, "text": "a"}}), "not of type"),
        (Reply(status=201, json={"data": {"text": "a"}}), "required"),
        (Reply(status=403, json={"title": "Forbidden"}), "application/json of 403 is not described"),
        (problem(429, "Too Many Requests", x_rate_limit_reset="soon"), "does not match"),
    ],
)
async def test_a_reply_that_is_not_described_is_a_violation(reply: Reply, violation: str) -> None:
    fake = FakeTwitter()
    fake.fail("create", Fault(carried_out=False, reply=reply))
    headers = {"Authorization": "Bearer a", "Content-Type": "application/json"}
    with pytest.raises(AssertionError, match=violation):
        await exchange(fake, "POST", "/2/tweets", headers=headers, body=b'{"text": "a"}')
