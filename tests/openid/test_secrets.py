"""No secret of a whole life of accounts leaves the service: connect, fail, refresh, post, lose the grant, disconnect.

The program runs as operators run it, with everything that it can say switched on. Afterwards its logs, its traces, its
answers and pages, the audit, the metrics, its processes, its files and a dump of its database are searched for every
secret that was used.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from secrets import token_bytes, token_hex, token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sharetally.adapters.platforms.bluesky.oauth_client import new_client_key
from tests.conftest import require_service
from tests.fakes.api_server import Ending, Fault
from tests.fakes.graph import INVALID_TOKEN
from tests.fakes.oauth import CLIENT_SECRET
from tests.fakes.threads import FakeThreads
from tests.faults.backups import take
from tests.openid import threads as threads_package
from tests.openid import x as x_package
from tests.openid.provider import CLIENT_ID, SECRET, log_in
from tests.openid.x import X, open_x
from tests.program import Program, Role, fetch
from tests.services import Services, VirtualHosts
from tests.services.launch import free_port
from tests.services.package import install_entry_points
from tests.web.api import eventually
from tests.web.connecting import COOKIE

pytestmark = pytest.mark.anyio
PUBLIC_URL = "https://shares.example"
START_TIMEOUT = 120.0  # seconds: several processes start at the same time


class Installation:
    """The program with all its roles, a user, and everything that could be seen from outside."""

    def __init__(self, program: Program, threads: FakeThreads, x: X) -> None:
        self.program = program
        self.threads = threads
        self.x = x
        self.secrets = {SECRET, CLIENT_SECRET, basic(SECRET), basic(CLIENT_SECRET)}
        self.seen: dict[str, list[bytes]] = {}
        self.token = ""
        self.client = httpx2.AsyncClient(timeout=30)

    def hide(self, name: str, value: str) -> None:
        """A secret setting, in a file of its own, as it should be."""
        file = self.program.folder / "secrets" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(value)
        self.program.settings[f"{name}_FILE"] = str(file)

    def note(self, where: str, *found: bytes | str) -> None:
        """Something that others can see."""
        self.seen.setdefault(where, []).extend(each if isinstance(each, bytes) else each.encode() for each in found)

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> httpx2.Response:
        """A request of the user; what comes back is noted, except for the cookie."""
        bearer = {} if path.startswith("/oauth/") else {"authorization": f"Bearer {self.token}"}
        response = await self.client.request(method, path, json=body, headers={**bearer, **headers})
        shown = [f"{name}: {value}" for name, value in response.headers.items() if name != "set-cookie"]
        begun = method == "POST" and path.endswith("/connect") and response.status_code == 200
        self.note("answers", *shown, b"" if begun else response.content)  # its answer holds the state, and has to
        return response

    async def begin(self, platform: str) -> tuple[str, str]:
        """The address to which the browser is sent, and its cookie."""
        response = await self.call("POST", f"/accounts/{platform}/connect", {})
        assert response.status_code == 200, response.text
        cookie = re.match(rf"{COOKIE}=([^;]+)", response.headers["set-cookie"])
        assert cookie is not None
        url = response.json()["authorizeUrl"]
        self.secrets |= {cookie[1], dict(parse_qsl(urlsplit(url).query))["state"]}
        return url, cookie[1]

    async def come_back(self, platform: str, sent: dict[str, str], cookie: str) -> int:
        """The browser comes back from the platform, with a code that is a secret too."""
        self.secrets |= {value for name, value in sent.items() if name in {"code", "state"}}
        query = "&".join(f"{name}={quote(value)}" for name, value in sent.items())
        page = await self.call("GET", f"/oauth/{platform}/callback?{query}", cookie=f"{COOKIE}={cookie}")
        return page.status_code

    async def connect(self) -> dict[str, str]:
        """An account on each platform, by platform; first with everything that goes wrong on the way."""
        url, cookie = await self.begin("twitter")
        state = dict(parse_qsl(urlsplit(url).query))["state"]
        assert await self.come_back("twitter", {"code": token_urlsafe(24), "state": state}, "x" * 43) == 400
        assert await self.come_back("twitter", {"code": token_urlsafe(24), "state": state}, cookie) == 409
        url, cookie = await self.begin("twitter")
        assert (
            await self.come_back("twitter", dict(parse_qsl(urlsplit(await log_in(url, "mara")).query)), cookie) == 200
        )
        url, cookie = await self.begin("threads")
        self.threads.fail("me", Fault(carried_out=True, ending=Ending.MALFORMED))
        assert await self.come_back("threads", self.threads.agree(url), cookie) == 502
        url, cookie = await self.begin("threads")
        assert await self.come_back("threads", self.threads.agree(url), cookie) == 200
        app_password = "-".join(token_hex(2) for _ in range(4))
        self.secrets.add(app_password)
        body = {"identifier": "mara.example", "appPassword": app_password}
        assert (await self.call("POST", "/accounts/bluesky/connect", body)).status_code == 502
        assert (
            await self.call("POST", "/accounts/bluesky/connect", {**body, "passwort": app_password})
        ).status_code == 400
        listed = (await self.call("GET", "/accounts")).json()["items"]
        return {each["platform"]: each["id"] for each in listed}

    async def post(self, video: str, *platforms: str) -> dict[str, str]:
        """Post from all accounts; what became of it, by platform."""
        body = {"platforms": platforms, "mode": "server_post", "text": f"Worth a look: {video} {{url}}"}
        response = await self.call("POST", f"/videos/{video}/share", body)
        assert response.status_code == 202, response.text

        async def done() -> dict[str, str]:
            found = (await self.call("GET", "/posts")).json()["items"]
            mine = {each["platform"]: each["status"] for each in found if each["contentId"] == video}
            return {} if {"pending", "sending"} & set(mine.values()) else mine

        found: dict[str, str] = await eventually(done)
        return found

    async def replay_refresh_token(self) -> None:
        """Somebody uses an old refresh token of X once more, which ends the grant."""
        seen = await asyncio.to_thread(self.x.seen)
        body = {"grant_type": "refresh_token", "refresh_token": next(each for each in self.refresh_tokens(seen))}
        response = await self.client.post(
            f"{self.x.url}/2/oauth2/token", data=body, headers={"authorization": basic(SECRET)}
        )
        assert response.status_code == 400, response.text

    def refresh_tokens(self, seen: Any) -> list[str]:
        """Those that the service has used."""
        used = [each for each in seen["secrets"] if seen["secrets"].count(each) > 1]
        assert used, "a refresh token is seen when it is given and when it is used"
        return used

    def take_secrets_of_the_platforms(self, seen: Any) -> None:
        """What was exchanged with them."""
        assert len(seen["secrets"]) > 5
        self.secrets |= set(seen["secrets"]) | self.threads.grants.access | set(self.threads.ages)

    def look_at_processes(self, roles: list[Role]) -> None:
        """What other users of the machine may see of them."""
        for pid in {pid for role in roles for pid in role.processes}:
            self.note("processes", *(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")))

    def look_at_files(self) -> None:
        """What they have written, except for the keys that they keep for themselves."""
        data = self.program.folder / "data"
        for file in data.rglob("*"):
            if file.is_file() and file.name not in {"jwt_secret", "token_keys"}:
                self.note("files", file.read_bytes())

    async def dump(self, url: str) -> None:
        """The whole database."""
        file = self.program.folder / f"dump-{token_hex(4)}"
        await take(url, file)
        self.note("dump", file.read_bytes())

    def found(self) -> dict[str, set[str]]:
        """Where which secrets are."""
        forms = {form: secret for secret in self.secrets for form in encodings(secret)}
        whole = {where: b"\n".join(pieces) for where, pieces in self.seen.items()}
        leaked = {where: {forms[form] for form in forms if form in text} for where, text in whole.items()}
        return {where: secrets for where, secrets in leaked.items() if secrets}


def basic(secret: str) -> str:
    """How a client shows its secret."""
    return "Basic " + b64encode(f"{CLIENT_ID}:{quote(secret, safe='')}".encode()).decode()


def encodings(secret: str) -> set[bytes]:
    """The secret as it is, and as it could be hidden."""
    raw = secret.encode()
    texts = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], raw.hex()}
    return {each.encode() for each in texts} | {b64encode(raw).rstrip(b"=")}


@pytest.fixture
async def threads(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeThreads]:
    fake = FakeThreads()
    fake.grants.count = 7_310_284_650  # so that no other text looks like one of its tokens
    async with fake.serving():
        monkeypatch.setenv(threads_package.ADDRESS, fake.url)
        yield fake


@pytest.fixture
def x(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[X]:
    with open_x(tmp_path, f"{PUBLIC_URL}/oauth/twitter/callback") as running:
        monkeypatch.setenv(x_package.ADDRESS, running.url)
        yield running


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def several(request: pytest.FixtureRequest, services: Services) -> dict[str, str]:
    """The settings for several processes; for SQLite, which has one, none."""
    if request.param == "sqlite":
        return {}
    require_service(getattr(services, request.param), request.param)
    hosts: VirtualHosts = request.getfixturevalue("virtual_hosts")
    assert hosts
    return {
        "DATABASE_URL": request.getfixturevalue(f"{request.param}_url"),
        "BROKER_URL": request.getfixturevalue("amqp_url"),
    }


@pytest.fixture
async def installation(
    tmp_path: Path,
    several: dict[str, str],
    threads: FakeThreads,
    x: X,
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Installation]:
    bluesky = f"http://127.0.0.1:{free_port()}"  # nobody is there
    program = Program(
        tmp_path,
        **several,
        PUBLIC_URL=PUBLIC_URL,
        CONTENT_URLS='{"video": "https://shop.example/videos/{contentId}"}',
        SHARE_PLATFORMS="twitter,threads",
        POST_PLATFORMS="bluesky",
        POST_PRIVATE_SERVERS=f"{x.url},{threads.url},{bluesky}",
        BLUESKY_SERVER=bluesky,
        LOG_LEVEL="debug",
        TRACES="otlp",
    )
    made = Installation(program, threads, x)
    key = {"JWT_SECRET": token_hex(32), "TOKEN_KEYS": f"one:{b64encode(token_bytes(32)).decode()}"}
    for name, value in (key | {"BLUESKY_CLIENT_KEYS": f"[{new_client_key()}]"}).items():
        made.hide(name, value)
    made.secrets |= {key["JWT_SECRET"], key["TOKEN_KEYS"].partition(":")[2]}
    made.secrets.add(json.loads((tmp_path / "secrets/BLUESKY_CLIENT_KEYS").read_text())[0]["d"])
    for name, package in (("twitter", x_package), ("threads", threads_package)):
        path = install_entry_points(
            tmp_path / name,
            name,
            connectors=f"{package.__name__}:connector",
            publishers=f"{package.__name__}:publisher",
        )
        program.paths += (str(path),)
    program.paths += (str(Path(__file__).parents[2]),)

    def take_spans(request: Request) -> Response:
        made.note("traces", request.get_data())
        return Response(b"", content_type="application/x-protobuf")

    httpserver.expect_request("/v1/traces", method="POST").respond_with_handler(take_spans)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", httpserver.url_for("").rstrip("/"))
    await asyncio.to_thread(program.migrate)
    yield made
    await made.client.aclose()


def wait_until_ready(address: str) -> None:
    """Wait until the API answers."""
    deadline = time.monotonic() + START_TIMEOUT
    while fetch(address)[0] != 200:
        assert time.monotonic() < deadline, "it does not get ready; its log says why"
        time.sleep(0.1)


@asynccontextmanager
async def running(made: Installation) -> AsyncIterator[list[Role]]:
    """All roles, each as a process, or as two; the program stops at the end and has said all that it says."""
    several, port = "BROKER_URL" in made.program.settings, free_port()
    with ExitStack() as stack:
        serve = ("serve", "--port", str(port), *(("--processes", "2") if several else ()))
        roles = [stack.enter_context(made.program.start_role(*serve))]
        made.client.base_url = httpx2.URL(f"http://127.0.0.1:{port}")
        await asyncio.to_thread(wait_until_ready, f"http://127.0.0.1:{port}/health/ready")
        if several:
            roles += [stack.enter_context(made.program.start_role(name)) for name in ("worker", "relay")]
        yield roles
        for role in roles:
            assert await asyncio.to_thread(role.stop) == 0, role.output[-2000:]
            made.note("logs", role.output)


async def run(made: Installation, *arguments: str) -> str:
    """A command; what it prints is noted."""
    done = await asyncio.to_thread(made.program.run, *arguments)
    assert done.code == 0, done
    if arguments[0] != "token":
        made.note("commands", done.out, done.err)
    return done.out.strip()


async def test_no_secret_leaves_the_service(installation: Installation) -> None:
    made = installation
    database_url = made.program.settings.get("DATABASE_URL") or f"sqlite:///{made.program.folder}/data/sharetally.db"
    made.token = await run(made, "token", "--user", "mara", "--scope", "shares audit admin analytics")
    made.secrets.add(made.token)
    async with running(made) as roles:
        accounts = await made.connect()
        assert set(accounts) == {"twitter", "threads"}
        made.threads.fail("create", Fault(carried_out=False, reply=INVALID_TOKEN))
        assert await made.post("first", "twitter", "threads") == {"twitter": "success", "threads": "success"}
        assert (await asyncio.to_thread(made.x.seen))["refreshes"] == 1
        await made.replay_refresh_token()
        assert await made.post("second", "twitter") == {"twitter": "failed"}
        statuses = {each["platform"]: each["status"] for each in (await made.call("GET", "/accounts")).json()["items"]}
        assert statuses == {"twitter": "needs_reauth", "threads": "connected"}
        await made.dump(database_url)
        for path in ("/audit?pageSize=200", "/metrics", "/health/ready", "/oauth/bluesky/jwks.json", "/posts", "/dead"):
            await made.call("GET", path)
        await run(made, "accounts", "list")
        await run(made, "doctor")
        made.look_at_processes(roles)
        for account_id in accounts.values():
            assert (await made.call("DELETE", f"/accounts/{account_id}")).status_code == 204
    await made.dump(database_url)
    made.look_at_files()
    made.take_secrets_of_the_platforms(await asyncio.to_thread(made.x.seen))
    on_a_server = "DATABASE_URL" in made.program.settings  # then there is nothing in DATA_DIR
    assert set(made.seen) - {"files"} == {"logs", "traces", "answers", "commands", "processes", "dump"}
    assert on_a_server or "files" in made.seen
    for where, expected in (
        ("logs", b'"event":"request"'),
        ("logs", b"an account has to be connected again"),
        ("traces", b"sharetally"),
        ("dump", b"account_needs_reauth"),
        ("answers", b"account_needs_reauth"),
        ("processes", b"SHARETALLY_TOKEN_KEYS_FILE"),
        ("commands", b"SHARETALLY_BLUESKY_CLIENT_KEYS = ***"),
    ):
        assert expected in b"\n".join(made.seen[where]), (where, expected)
    assert made.found() == {}
