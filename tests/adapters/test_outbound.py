"""The client for other servers: what it sends, what it refuses, and how it reports what may have happened."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sharetally.adapters.outbound import OutboundClient
from sharetally.adapters.outbound_guard import AddressGuard
from sharetally.ports.outbound import (
    AddressRefused,
    ConnectFailed,
    ExchangeFailed,
    ExchangeTimedOut,
    OutboundError,
    ResponseTooLarge,
)
from tests.adapters.outbound_servers import (
    Respond,
    certificate,
    dripping,
    flooding,
    hanging_up,
    responding,
    serving,
    speaking_nonsense,
    stalling,
)

pytestmark = pytest.mark.anyio
NAME = "hooks.example"


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[OutboundClient]:
    client = OutboundClient(**options)
    try:
        yield client
    finally:
        await client.close()


class Resolver:
    """Returns each answer once and the last one for ever; records the requests."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def guard(*answers: Sequence[str]) -> tuple[AddressGuard, Resolver]:
    """A guard that takes 127.0.0.1 and its neighbours, where test servers are, for the public internet; not ::1."""
    resolver = Resolver(*answers)
    return AddressGuard(resolve=resolver, is_allowed=lambda address: address.version == 4), resolver


async def failure(client: OutboundClient, url: str, **options: Any) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        await client.request("POST", url, body=b"{}", **options)
    return caught.value


# one exchange


async def test_a_request_arrives_unchanged_and_the_response_is_returned() -> None:
    async with serving(responding(b"hello", headers="X-Seen: yes\r\n")) as server, opened() as client:
        response = await client.request("POST", server.url(), headers={"X-Sent": "yes"}, body=b"a=1")
    assert (response.status, response.headers["x-seen"], response.body) == (200, "yes", b"hello")
    (request,) = server.requests
    assert request.startswith("POST /path?query=1 HTTP/1.1\r\n")
    assert request.endswith("\r\n\r\na=1")
    assert f"host: 127.0.0.1:{server.port}\r\n" in request.lower()
    assert "x-sent: yes\r\n" in request.lower()
    assert "accept-encoding: identity\r\n" in request.lower()


async def test_a_host_application_that_logs_everything_logs_no_address_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Threads wants its secrets in the query; what the host itself requests is its own affair."""
    caplog.set_level(logging.DEBUG)
    async with serving(responding()) as server, opened() as client:
        await client.request("GET", server.url() + "&access_token=hush")
        assert len(server.requests) == 1
        assert "hush" not in caplog.text
        async with httpx2.AsyncClient() as of_the_host:
            await of_the_host.get(server.url() + "&of=the-host")
        assert "of=the-host" in caplog.text


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_a_redirect_is_returned_and_not_followed(status: str) -> None:
    async with serving(responding()) as other:
        location = f"Location: {other.url()}\r\n"
        async with serving(responding(b"", status=status, headers=location)) as server, opened() as client:
            response = await client.request("GET", server.url())
    assert response.status == int(status[:3])
    assert response.headers["location"] == other.url()
    assert other.requests == []


async def test_cookies_are_not_stored() -> None:
    async with serving(responding(headers="Set-Cookie: session=1; Path=/\r\n")) as server, opened() as client:
        for _ in range(2):
            await client.request("GET", server.url())
    assert len(server.requests) == 2
    assert not any("cookie" in request.lower() for request in server.requests)


@pytest.mark.parametrize("guarded", [False, True])
async def test_a_connection_serves_several_requests(guarded: bool) -> None:
    chosen = guard(["127.0.0.1"])[0] if guarded else None
    async with serving(responding()) as server, opened(guard=chosen) as client:
        for _ in range(3):
            await client.request("GET", server.url())
    assert (len(server.requests), len(server.addresses)) == (3, 1)


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("respond", [stalling, dripping])
async def test_the_deadline_covers_the_whole_exchange(respond: Respond, guarded: bool) -> None:
    chosen = guard(["127.0.0.1"])[0] if guarded else None
    async with serving(respond) as server, opened(guard=chosen) as client:
        began = time.monotonic()
        error = await failure(client, server.url(), deadline=0.3)
        assert time.monotonic() - began < 10
    assert isinstance(error, ExchangeTimedOut)
    assert error.request_sent


async def test_a_resolver_that_never_answers_hits_the_deadline_before_anything_is_sent() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with opened(guard=AddressGuard(resolve=never)) as client:
        error = await failure(client, "http://hooks.example/", deadline=0.1)
    assert isinstance(error, ExchangeTimedOut)
    assert not error.request_sent


@pytest.mark.parametrize("guarded", [False, True])
async def test_a_body_without_an_end_hits_the_cap(guarded: bool) -> None:
    chosen = guard(["127.0.0.1"])[0] if guarded else None
    async with serving(flooding) as server, opened(guard=chosen) as client:
        error = await failure(client, server.url(), max_bytes=100_000)
    assert isinstance(error, ResponseTooLarge)
    assert error.request_sent


async def test_a_body_as_long_as_the_cap_is_taken() -> None:
    async with serving(responding(b"x" * 1000)) as server, opened() as client:
        assert len((await client.request("GET", server.url(), max_bytes=1000)).body) == 1000
        assert isinstance(await failure(client, server.url(), max_bytes=999), ResponseTooLarge)


async def test_a_compressed_response_stays_compressed() -> None:
    async with serving(responding(b"\x1f\x8b-", headers="Content-Encoding: gzip\r\n")) as server, opened() as client:
        assert (await client.request("GET", server.url())).body == b"\x1f\x8b-"


# what may have happened


@pytest.mark.parametrize("guarded", [False, True])
async def test_a_refused_connection_fails_before_the_first_byte(free_tcp_port: int, guarded: bool) -> None:
    chosen = guard(["127.0.0.1", "127.0.0.2"])[0] if guarded else None
    async with opened(guard=chosen) as client:
        error = await failure(client, f"http://127.0.0.1:{free_tcp_port}/")
    assert isinstance(error, ConnectFailed)
    assert not error.request_sent


async def test_a_name_without_an_address_is_before_the_first_byte() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    for resolve in (unknown, Resolver([])):
        async with opened(guard=AddressGuard(resolve=resolve)) as client:
            assert isinstance(await failure(client, "http://hooks.example/"), ConnectFailed)


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("respond", [hanging_up, speaking_nonsense])
async def test_a_connection_that_breaks_later_is_after_the_first_byte(respond: Respond, guarded: bool) -> None:
    chosen = guard(["127.0.0.1"])[0] if guarded else None
    async with serving(respond) as server, opened(guard=chosen) as client:
        error = await failure(client, server.url())
    assert isinstance(error, ExchangeFailed)
    assert error.request_sent
    assert len(server.requests) == 1, "it is not sent again"


@pytest.mark.parametrize(
    "url",
    ["", "/path", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://a:b:c/", "http://[::1/", "http://\0/"],
)
async def test_a_url_that_is_not_http_is_refused(url: str) -> None:
    async with opened() as client:
        assert isinstance(await failure(client, url), AddressRefused)


# TLS


@pytest.mark.parametrize("guarded", [False, True])
async def test_an_untrusted_certificate_fails_before_the_first_byte(tmp_path: Path, guarded: bool) -> None:
    here, _ = certificate(tmp_path, "localhost")
    chosen = guard(["127.0.0.1"])[0] if guarded else None
    async with serving(responding(), tls=here) as server, opened(guard=chosen) as client:
        error = await failure(client, server.url("localhost", "https"))
    assert isinstance(error, ConnectFailed)
    assert server.requests == []


async def test_a_guarded_connection_keeps_the_name_for_sni_certificate_and_host(tmp_path: Path) -> None:
    here, trusting = certificate(tmp_path, NAME)
    chosen, resolver = guard(["127.0.0.1"])
    async with serving(responding(), tls=here) as server, opened(guard=chosen, ssl_context=trusting) as client:
        response = await client.request("GET", server.url(NAME, "https"))
    assert response.body == b"hello"
    assert server.server_names == [NAME]
    assert f"host: {NAME}:{server.port}\r\n" in server.requests[0].lower()
    assert resolver.asked == [NAME]


async def test_a_certificate_for_another_name_is_refused_by_the_guarded_client(tmp_path: Path) -> None:
    here, trusting = certificate(tmp_path, NAME)
    chosen, _ = guard(["127.0.0.1"])
    async with serving(responding(), tls=here) as server, opened(guard=chosen, ssl_context=trusting) as client:
        assert isinstance(await failure(client, server.url("other.example", "https")), ConnectFailed)
        assert isinstance(await failure(client, server.url("127.0.0.1", "https")), ConnectFailed)
    assert server.requests == []


async def test_two_names_at_one_address_do_not_share_a_connection(tmp_path: Path) -> None:
    here, trusting = certificate(tmp_path, NAME)
    chosen, _ = guard(["127.0.0.1"])
    async with serving(responding(), tls=here) as server, opened(guard=chosen, ssl_context=trusting) as client:
        await client.request("GET", server.url(NAME, "https"))
        assert isinstance(await failure(client, server.url("other.example", "https")), ConnectFailed)
    assert len(server.requests) == 1


# the guard


async def test_a_name_that_changes_its_address_is_used_as_it_was_checked() -> None:
    chosen, resolver = guard(["127.0.0.2"], ["::1"])
    async with serving(responding(), host="127.0.0.2") as server, opened(guard=chosen) as client:
        assert (await client.request("GET", server.url(NAME))).status == 200
        assert resolver.asked == [NAME], "one look, for check and connection"
    async with opened(guard=chosen) as client:
        assert isinstance(await failure(client, server.url(NAME)), AddressRefused)


@pytest.mark.parametrize("found", [["127.0.0.1", "::1"], ["::1", "127.0.0.1"], ["::1"]])
async def test_one_refused_address_refuses_the_name(found: list[str]) -> None:
    chosen, _ = guard(found)
    async with serving(responding()) as server, opened(guard=chosen) as client:
        error = await failure(client, server.url(NAME))
    assert isinstance(error, AddressRefused)
    assert not error.request_sent
    assert "::1" not in str(error)
    assert (server.addresses, server.requests) == ([], [])


async def test_an_address_that_does_not_answer_gives_way_to_the_next() -> None:
    chosen, _ = guard(["127.0.0.3", "127.0.0.1"])
    async with serving(responding()) as server, opened(guard=chosen) as client:
        assert (await client.request("GET", server.url(NAME))).status == 200
    assert server.addresses == ["127.0.0.1"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"]
)
async def test_the_default_guard_refuses_this_machine_in_every_notation(host: str) -> None:
    async with serving(responding()) as server, opened(guard=AddressGuard()) as client:
        error = await failure(client, server.url(host))
    assert isinstance(error, (AddressRefused, ConnectFailed))
    assert (server.addresses, server.requests) == ([], [])


# proxies


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set the environment's proxy, as an operator's machine may have it."""

    def set_proxy(url: str) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, url)
        for name in ("NO_PROXY", "no_proxy", "REQUEST_METHOD"):
            monkeypatch.delenv(name, raising=False)

    return set_proxy


async def test_the_environments_proxy_is_ignored_unless_configured(proxied: Callable[[str], None]) -> None:
    async with serving(responding(b"proxy")) as proxy, serving(responding(b"direct")) as server:
        proxied(f"http://127.0.0.1:{proxy.port}")
        for options in ({}, {"guard": guard(["127.0.0.1"])[0]}):
            async with opened(**options) as client:
                assert (await client.request("GET", server.url())).body == b"direct"
        assert proxy.requests == []
        async with opened(proxies_from_env=True) as client:
            assert (await client.request("GET", server.url())).body == b"proxy"
        assert proxy.requests[0].startswith(f"GET {server.url()} ")


async def test_a_proxy_that_refuses_a_tunnel_has_not_passed_on_the_request(proxied: Callable[[str], None]) -> None:
    async with serving(responding(b"", status="403 Forbidden")) as proxy:
        proxied(f"http://127.0.0.1:{proxy.port}")
        async with opened(proxies_from_env=True) as client:
            error = await failure(client, "https://hooks.example/")
    assert proxy.requests[0].startswith("CONNECT hooks.example:443 ")
    assert isinstance(error, ConnectFailed)
    assert not error.request_sent


def test_a_guard_and_proxies_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="guard"):
        OutboundClient(guard=AddressGuard(), proxies_from_env=True, ssl_context=ssl.create_default_context())


async def test_the_system_resolver_is_used_by_default() -> None:
    found = await AddressGuard(is_allowed=lambda _: True).addresses("localhost", 80)
    assert found
    assert all(ip_address(address).is_loopback for address in found)
