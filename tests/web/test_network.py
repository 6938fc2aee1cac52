"""Where a request comes from: what proxies say is believed of those proxies alone."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from starlette.types import Message, Receive, Scope, Send

from sharetally.web.network import ProxyHeadersMiddleware, client_address, is_from_networks, is_in_networks

pytestmark = pytest.mark.anyio

LOCAL = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
PROXIES = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def request(peer: str | None, *headers: tuple[str, str], kind: str = "http") -> Scope:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    scheme = {"http": "http", "websocket": "ws"}[kind]
    return {"type": kind, "client": (peer, 4711) if peer else None, "scheme": scheme, "headers": raw}


async def seen(scope: Scope, *, trusted: Sequence[str] = ()) -> Scope:
    """The scope as the application gets it."""
    passed: list[Scope] = []

    async def application(inner: Scope, receive: Receive, send: Send) -> None:
        passed.append(inner)

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    networks = [ip_network(network) for network in trusted] or PROXIES
    await ProxyHeadersMiddleware(application, trusted=networks)(scope, receive, send)
    return passed[0]


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7:5120", "203.0.113.7"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "[2001:db8::7]:5120", "2001:db8::7"),
        ("::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("fd00::1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7, 10.0.0.2, 10.0.0.1", "203.0.113.7"),
        # what a client writes is to the left of what the proxy saw
        ("127.0.0.1", "127.0.0.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
        ("127.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # no trusted proxy forwarded it
        ("203.0.113.9", "127.0.0.1", "203.0.113.9"),
        ("192.168.0.1", "203.0.113.7", "192.168.0.1"),
        # a trusted proxy that does not know
        ("127.0.0.1", "203.0.113.7, unknown", ""),
        ("127.0.0.1", "127.0.0.1, _hidden", ""),
        ("127.0.0.1", "", ""),
    ],
)
async def test_the_client_is_the_last_address_that_is_not_trusted(peer: str, chain: str, client: str) -> None:
    assert client_address(await seen(request(peer, ("X-Forwarded-For", chain)))) == client


async def test_a_chain_in_two_fields_is_one_chain() -> None:
    scope = request("127.0.0.1", ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "203.0.113.7"))
    assert client_address(await seen(scope)) == "203.0.113.7"


async def test_without_proxies_nothing_is_believed_and_nothing_changes() -> None:
    scope = request("127.0.0.1", ("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https"))
    assert await seen(scope, trusted=["192.0.2.1"]) is scope


async def test_a_request_without_a_peer_stays_without() -> None:
    assert client_address(await seen(request(None, ("X-Forwarded-For", "203.0.113.7")))) == ""


@pytest.mark.parametrize(
    ("chain", "told", "scheme"),
    [
        ("203.0.113.7", "https", "https"),
        ("203.0.113.7", "http", "http"),
        ("203.0.113.7, 10.0.0.1", "https, http", "https"),
        ("203.0.113.7, 10.0.0.1", "https", "https"),
        ("203.0.113.7", "https, http", "http"),  # the client wrote the first
        ("203.0.113.7", "javascript", "http"),
    ],
)
async def test_the_scheme_is_the_one_the_client_used(chain: str, told: str, scheme: str) -> None:
    scope = request("127.0.0.1", ("X-Forwarded-For", chain), ("X-Forwarded-Proto", told))
    assert (await seen(scope))["scheme"] == scheme


async def test_a_websocket_has_its_own_scheme() -> None:
    scope = request("127.0.0.1", ("X-Forwarded-Proto", "https"), kind="websocket")
    assert (await seen(scope))["scheme"] == "wss"


async def test_the_server_s_start_passes_through() -> None:
    scope: Scope = {"type": "lifespan"}
    assert await seen(scope) is scope


# networks


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("128.0.0.1", False),
        ("::2", False),
        ("", False),
        ("localhost", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_an_address_is_in_a_network_or_not(address: str, inside: bool) -> None:
    assert is_in_networks(address, LOCAL) is inside


def test_an_empty_network_list_contains_no_address() -> None:
    assert not is_in_networks("127.0.0.1", ())


@pytest.mark.parametrize(
    ("peer", "headers", "inside"),
    [
        ("127.0.0.1", [], True),
        ("203.0.113.7", [], False),
        # a trusted proxy on this machine: its client decides
        ("127.0.0.1", [("X-Forwarded-For", "203.0.113.7")], False),
        ("127.0.0.1", [("X-Forwarded-For", "127.0.0.1, 203.0.113.7")], False),
        ("127.0.0.1", [("X-Forwarded-For", "garbage")], False),
        ("10.0.0.1", [("X-Forwarded-For", "127.0.0.5")], True),
        ("203.0.113.7", [("X-Forwarded-For", "127.0.0.1")], False),
    ],
)
async def test_operators_are_recognised_by_their_own_address(
    peer: str, headers: list[tuple[str, str]], inside: bool
) -> None:
    assert is_from_networks(await seen(request(peer, *headers)), LOCAL) is inside


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"])
async def test_an_untrusted_proxy_makes_no_client_local(name: str) -> None:
    scope = await seen(request("127.0.0.1", (name, "127.0.0.1")), trusted=["192.0.2.1"])
    assert not is_from_networks(scope, LOCAL)
