"""A user names a server, and this service contacts it: never one outside the public internet, whatever they try."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.web.api import Api, HttpResponse, invalid_paths, problem
from tests.web.conftest import MakeApi
from tests.web.connecting import begin, come_back
from tests.web.internet import PUBLIC, Internet, Page, open_internet

pytestmark = pytest.mark.anyio
SOCIAL, GRUESSE, PDS = "social.example", "xn--gre-6ka8l.example", "pds.example"
APPLICATION = Page(body={"client_id": "client-1", "client_secret": "hush"})
METADATA = "169.254.169.254"  # where clouds tell a machine its secrets


@pytest.fixture
async def internet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Internet]:
    async with open_internet(tmp_path, monkeypatch, SOCIAL, GRUESSE, PDS) as made:
        made.respond = lambda host, path: APPLICATION
        yield made


@pytest.fixture
async def api(internet: Internet, make_api: MakeApi) -> AsyncIterator[Api]:
    async with make_api(
        PUBLIC_URL="https://shares.example", POST_PLATFORMS="mastodon,bluesky", BLUESKY_SERVER=f"https://{PDS}",
        CONNECT_RATE="off",
    ) as found:  # fmt: skip
        yield found


async def connect(api: Api, server: str) -> HttpResponse:
    return await api.request("POST", "/accounts/mastodon/connect", {"instance": server})


async def connect_bluesky(api: Api, **body: str) -> HttpResponse:
    return await api.request("POST", "/accounts/bluesky/connect", body)


def refused(response: HttpResponse) -> str:
    """It is the user's fault, and the answer says nothing about our network."""
    detail = str(problem(response, 409, "conflict")["detail"])
    assert "set-cookie" not in response.headers
    return detail


async def test_a_public_server_is_contacted_at_the_address_that_was_checked(api: Api, internet: Internet) -> None:
    """So that the refusals below are about the servers, and not about this test."""
    for written, host in (("social.example.", SOCIAL), ("@mara@Social.Example", SOCIAL), ("grüße.example", GRUESSE)):
        response = await connect(api, written)
        assert response.status == 200, response
        assert response.json["authorizeUrl"].startswith(f"https://{host}/oauth/authorize?")
        assert internet.resolved[-1] == host
        assert internet.requests[-1].startswith(f"POST https://{host}/api/v1/apps ")
    assert set(internet.connected) == {f"{PUBLIC}:443"}


NO_PUBLIC_NAMES = {
    "an address": [
        "127.0.0.1", "https://127.0.0.1/", "127.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001",
        "127.0.0.1.",
        "127。0。0。1", "１２７.0.0.1", "①②⑦.0.0.1", "[::1]", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/", "[fe80::1%25eth0]", "https://[64:ff9b::7f00:1]/", "100.64.0.1", METADATA,
    ],
    "a local name": [
        "localhost", "LOCALHOST", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "db.localhost", "printer.local", "printer.local.", "printer.LOCAL",
        "printer.ｌｏｃａｌ", "printer。local", "metadata.google.internal", "router.home.arpa", "wiki.corp", "x.onion",
    ],
    "a port or a user": [
        "social.example:443", "social.example:22", "https://social.example:8443/", "https://user@social.example",
        "https://user:word@social.example", "https://social.example@127.0.0.1/", "https://127.0.0.1#@social.example",
        "https://127.0.0.1\\@social.example",
    ],
    "another scheme": [
        "http://social.example", "file:///etc/passwd", "gopher://social.example", "//127.0.0.1", "https:127.0.0.1",
    ],
    "no name": [
        "social.example..", "social..example", "soc%69al.example", "social.example%2e", "social_.example",
        "-social.example", "*.example", "example",
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", NO_PUBLIC_NAMES)
async def test_what_is_no_public_name_is_not_even_looked_up(api: Api, internet: Internet, kind: str) -> None:
    for written in NO_PUBLIC_NAMES[kind]:
        app_password = {"identifier": "mara.example", "appPassword": "aaaa-bbbb-cccc-dddd", "server": written}
        for response in (await connect(api, written), await connect_bluesky(api, **app_password)):
            refused(response)
        assert (written, internet.resolved, internet.connected) == (written, [], [])
        internet.respond = lambda host, path: Page(status=400)  # the default server knows nobody of this name
        refused(await connect_bluesky(api, server=written))
        asked = f"GET https://{PDS}/xrpc/com.atproto.identity.resolveHandle?handle="
        assert (written, [each for each in internet.requests if not each.startswith(asked)]) == (written, [])
        assert set(internet.resolved) <= {PDS}
        internet.resolved.clear()
        internet.connected.clear()


@pytest.mark.parametrize(
    "written", ["social.example\r\nHost: 127.0.0.1", "social.example\x00.local", "a\u2028b.example"]
)
async def test_a_name_cannot_write_into_the_request(api: Api, internet: Internet, written: str) -> None:
    response = await connect(api, written)
    if response.status == 400:
        assert invalid_paths(response) == ["instance"]
    else:
        refused(response)
    assert (internet.resolved, internet.connected) == ([], [])


NOT_PUBLIC = [
        ["127.0.0.1"], ["10.0.0.1"], ["172.16.0.1"], ["192.168.1.1"], ["0.0.0.1"], ["100.64.0.1"], [METADATA],
        ["198.18.0.1"], ["224.0.0.1"], ["255.255.255.255"], ["::1"], ["::"], ["::ffff:127.0.0.1"],
        [f"::ffff:{METADATA}"], ["::127.0.0.1"], ["64:ff9b::7f00:1"], ["64:ff9b:1::a00:1"], ["2002:7f00:1::"],
        ["2001::1"], ["fe80::1%eth0"], ["fc00::1"], ["fd00:ec2::254"], ["fec0::1"], ["ff02::1"],
        [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC],
]  # fmt: skip


async def test_a_public_name_of_a_private_address_is_not_contacted(api: Api, internet: Internet) -> None:
    app_password = {"identifier": "mara.example", "appPassword": "aaaa-bbbb-cccc-dddd", "server": PDS}
    for addresses in NOT_PUBLIC:
        internet.name(SOCIAL, addresses)
        internet.name(PDS, addresses)
        answers = [
            await connect(api, SOCIAL),
            await connect_bluesky(api, server=PDS),
            await connect_bluesky(api, identifier="mara.example"),
            await connect_bluesky(api, **app_password),
        ]
        for response in answers:
            assert "not on the public internet" in refused(response), addresses
            assert not [address for address in addresses if address in response.body.decode()]
        assert (addresses, internet.connected, internet.requests) == (addresses, [], [])


async def test_a_name_that_changes_its_address_is_checked_each_time(api: Api, internet: Internet) -> None:
    """DNS rebinding: public when it is checked, private a moment later."""
    internet.name(SOCIAL, [PUBLIC], ["127.0.0.1"])
    assert (await connect(api, SOCIAL)).status == 200
    assert (internet.resolved, internet.connected) == ([SOCIAL], [f"{PUBLIC}:443"]), "it is resolved once"
    refused(await connect(api, SOCIAL))
    assert internet.connected == [f"{PUBLIC}:443"]


async def test_it_may_change_between_the_begin_and_the_callback(api: Api, internet: Internet) -> None:
    begun = await begin(api, "mastodon", {"instance": SOCIAL})
    internet.name(SOCIAL, [METADATA])
    (state,) = parse_qs(urlsplit(begun.url).query)["state"]
    page = await come_back(api, "mastodon", {"state": state, "code": "any"}, begun.cookie)
    assert page.status == 502
    assert METADATA not in page.body.decode()
    assert (len(internet.requests), internet.connected) == (1, [f"{PUBLIC}:443"])


def answer(page: Page, host: str, path: str) -> Page:
    """The same page everywhere."""
    return page


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_leads_nowhere(api: Api, internet: Internet, status: int) -> None:
    for place in (f"http://{METADATA}/latest/meta-data/", "https://127.0.0.1/", f"https://{PDS}/", "//10.0.0.1/"):
        page = Page(status=status, headers={"location": place})
        internet.respond = partial(answer, page)
        refused(await connect(api, SOCIAL))
        assert len(internet.requests) == len(internet.connected)
    assert internet.resolved == [SOCIAL] * 4, "nothing else was looked up"


PRIVATE = [
    "https://127.0.0.1",
    "https://db.internal",
    f"https://{METADATA}",
    "https://pds.example:8443",
    "http://pds.example",
]


@pytest.mark.parametrize("private", PRIVATE)
async def test_a_server_of_bluesky_sends_us_to_no_private_one(api: Api, internet: Internet, private: str) -> None:
    """Its documents name further servers, each of which is as unknown as the first."""
    base, resource = f"https://{PDS}", "/.well-known/oauth-protected-resource"
    metadata = {
        "issuer": base,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "pushed_authorization_request_endpoint": f"{base}/par",
    }
    endpoints = ("authorization_endpoint", "token_endpoint", "pushed_authorization_request_endpoint")
    documents: list[dict[str, Any]] = [
        {resource: {"authorization_servers": [private]}},
        *(
            {resource: {"authorization_servers": [base]}, "metadata": metadata | {name: f"{private}/x"}}
            for name in (*endpoints, "revocation_endpoint")
        ),
    ]
    for document in documents:

        def respond(host: str, path: str, served: dict[str, Any] = document) -> Page:
            return Page(body=served.get(path, served.get("metadata")))

        internet.respond = respond
        refused(await connect_bluesky(api, server=PDS))
    assert set(internet.resolved) == {PDS}
    assert not [request for request in internet.requests if request.startswith("POST")]


async def test_a_did_leads_to_no_private_server(api: Api, internet: Internet) -> None:
    for did in ("did:web:127.0.0.1", "did:web:db.internal", "did:web:localhost", "did:web:2130706433"):
        refused(await connect_bluesky(api, identifier=did))
    assert (internet.resolved, internet.connected) == ([], [])
    service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": f"http://{METADATA}"}
    document = {"id": f"did:web:{PDS}", "alsoKnownAs": ["at://mara.example"], "service": [service]}
    internet.respond = lambda host, path: Page(body=document)
    refused(await connect_bluesky(api, identifier=f"did:web:{PDS}"))
    assert internet.requests == [f"GET https://{PDS}/.well-known/did.json"]
