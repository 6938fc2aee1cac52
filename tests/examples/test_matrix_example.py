"""The Matrix example, installed next to the service: what its users see, on a real homeserver, with a real worker."""

from __future__ import annotations

import os
import signal
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.examples.synapse.server import CLIENT, Room, Session, Synapse
from tests.oracle.tokens import token_signer
from tests.program import Program, Role, fetch
from tests.services.launch import free_port

SECRET = "known to the tests alone, and long enough"
TAKEOVER = 180.0  # seconds: others take over a killed worker's deliveries after 60
T = TypeVar("T")


class Site:
    """The service with the package installed: a process that serves, and workers of their own."""

    def __init__(self, program: Program, port: int, serve: Role, synapse: Synapse) -> None:
        self.program = program
        self.synapse = synapse
        self._here = f"http://127.0.0.1:{port}"
        self._serve = serve
        self._sign = token_signer(SECRET, "shares")

    def request(self, user: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return fetch(f"{self._here}{path}", token=self._sign(user), body=body, method=method)

    def until(self, look: Callable[[], T | None], *, seconds: float = 30.0) -> T:
        """What a look finds once it finds something."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, self._serve.output[-2000:]
            time.sleep(0.05)
        return found

    def connect(self, user: str, room: Room, session: Session) -> tuple[int, Any]:
        body = {"identifier": room.alias, "appPassword": session.token, "server": self.synapse.url}
        return self.request(user, "POST", "/accounts/matrix/connect", body)

    def post(self, user: str, video: str, **fields: object) -> Any:
        body = {"platforms": ["matrix"], "mode": "server_post", **fields}
        status, answer = self.request(user, "POST", f"/videos/{video}/share", body)
        assert status == 202, answer
        return answer["results"][0]

    def newest(self, user: str) -> Any:
        return self.request(user, "GET", "/posts")[1]["items"][0]

    def finished(self, user: str, status: str, *, seconds: float = 30.0) -> Any:
        """The newest post, once it has this status."""
        return self.until(lambda: post if (post := self.newest(user))["status"] == status else None, seconds=seconds)


@contextmanager
def open_site(folder: Path, package: Path, synapse: Synapse, database: str, broker: str) -> Iterator[Site]:
    program = Program(
        folder,
        DATABASE_URL=database,
        BROKER_URL=broker,
        JWT_SECRET=SECRET,
        SHARE_PLATFORMS="matrix,twitter",
        PUBLIC_URL="https://shares.example",
        CONTENT_URLS='{"video": "https://videos.example/{contentId}"}',
        POST_PRIVATE_SERVERS=synapse.url,
        TOKEN_KEYS=f"tests:{b64encode(os.urandom(32)).decode()}",
    )
    program.paths = (str(package),)
    program.migrate()
    port = free_port()
    with program.start_role("serve", "--port", str(port)) as serve:
        serve.until(lambda: fetch(f"http://127.0.0.1:{port}/health/ready")[0] == 200)
        yield Site(program, port, serve, synapse)


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    matrix_package: Path,
    synapse: Synapse,
    module_postgresql_url: str,
    module_amqp_url: str,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with (
        open_site(folder, matrix_package, synapse, module_postgresql_url, module_amqp_url) as opened,
        opened.program.start_role("worker"),
    ):
        yield opened


@pytest.fixture
def session(synapse: Synapse) -> Session:
    return synapse.new_user()


@pytest.fixture
def room(synapse: Synapse, session: Session) -> Room:
    return synapse.new_room(session)


def test_the_doctor_and_the_api_name_the_platform(site: Site) -> None:
    checked = site.program.run("doctor")
    assert (checked.code, "platforms matrix, twitter\n" in checked.out) == (0, True), checked
    listed = site.request("anna", "GET", "/platforms")[1]["platforms"]
    assert [(each["platform"], each["server_post"]) for each in listed] == [("matrix", True), ("twitter", False)]
    assert site.request("anna", "GET", "/accounts")[1]["platforms"] == ["matrix"]


def test_a_share_is_posted_once_and_counts_once(site: Site, room: Room, session: Session) -> None:
    status, account = site.connect("anna", room, session)
    assert (status, account["handle"]) == (201, f"{session.user} in {room.alias}")
    result = site.post("anna", "abc", text="Worth a look: {url}")
    assert (result["status"], result["post"]["accountId"]) == ("pending", account["id"])
    post = site.finished("anna", "success")
    assert room.texts() == [f"Worth a look: {post['shortUrl']}"]
    (event,) = room.events()
    assert event["event_id"].removeprefix("$") in post["url"]
    count = site.until(lambda: found if (found := counted(site, "abc"))["shareCount"] else None)
    assert (count["shareCount"], count["breakdown"]["evidence"]) == (1, {"posted": 1})
    status, again = site.request("anna", "POST", "/videos/abc/share", {"platforms": ["matrix"], "mode": "server_post"})
    assert (status, again["results"][0]["alreadyShared"], len(room.texts())) == (200, True, 1)


def test_withdrawing_deletes_the_message(site: Site, room: Room, session: Session) -> None:
    site.connect("bert", room, session)
    site.post("bert", "gone")
    site.finished("bert", "success")
    assert site.request("bert", "DELETE", "/videos/gone/share/matrix?deletePost=true")[0] == 204
    site.finished("bert", "cancelled")
    assert room.texts() == []


def test_a_session_that_was_ended_needs_a_new_one_and_then_the_post_arrives(
    site: Site, room: Room, session: Session
) -> None:
    site.connect("cleo", room, session)
    site.synapse.sign_out(session)
    site.post("cleo", "abc")
    failed = site.finished("cleo", "failed")
    assert failed["error"]["code"] == "needs-reauth"
    (account,) = site.request("cleo", "GET", "/accounts")[1]["items"]
    assert account["status"] == "needs_reauth"
    fresh = site.synapse.sign_in(session.user)
    status, again = site.connect("cleo", room, fresh)
    assert (status, again["id"], again["status"]) == (201, account["id"], "connected")
    assert site.request("cleo", "POST", "/videos/abc/share/matrix/retry")[0] == 202
    site.finished("cleo", "success")
    owner = site.synapse.sign_in(session.user)
    assert len(Room(synapse=site.synapse, id=room.id, alias=room.alias, owner=owner).texts()) == 1


def test_a_user_who_was_banned_reads_why_the_post_failed(site: Site, room: Room) -> None:
    banned = site.synapse.new_user()
    room.join(banned)
    site.connect("dora", room, banned)
    room.ban(banned)
    site.post("dora", "abc")
    error = site.finished("dora", "failed")["error"]
    assert (error["code"], "join it" in error["message"]) == ("M_FORBIDDEN", True)
    assert room.texts() == []


def test_a_wrong_token_is_refused_with_the_reason(site: Site, room: Room, session: Session) -> None:
    status, problem = site.connect("emil", room, Session(user=session.user, token="syt_guessed"))
    assert (status, "does not accept this access token" in problem["detail"]) == (409, True)
    status, problem = site.request("emil", "POST", "/accounts/matrix/connect", {})
    assert (status, "without a browser" in problem["detail"]) == (409, True)
    assert site.request("emil", "GET", "/accounts")[1]["items"] == []


def test_disconnecting_ends_the_session(site: Site, room: Room, session: Session) -> None:
    account = site.connect("fred", room, session)[1]
    assert site.request("fred", "DELETE", f"/accounts/{account['id']}")[0] == 204
    status, answer = fetch(f"{site.synapse.url}{CLIENT}/account/whoami", token=session.token)
    assert (status, answer["errcode"]) == (401, "M_UNKNOWN_TOKEN")


def test_a_worker_that_dies_after_sending_has_posted_once(
    tmp_path: Path,
    matrix_package: Path,
    synapse: Synapse,
    room: Room,
    session: Session,
    postgresql_url: str,
    amqp_url: str,
) -> None:
    """The message is there, and its outcome is not stored: the next worker finds it, and sends nothing."""
    with open_site(tmp_path, matrix_package, synapse, postgresql_url, amqp_url) as site:
        site.connect("anna", room, session)
        site.program.settings["FAILPOINT"] = "ledger.before-commit:2"  # the first commit stores the attempt
        with site.program.start_role("worker", "--consumers", "deliveries") as doomed:
            site.post("anna", "abc")
            assert doomed.ended() == -signal.SIGKILL
        del site.program.settings["FAILPOINT"]
        (sent,) = room.events()
        assert site.newest("anna")["status"] == "sending"
        with site.program.start_role("worker"):
            post = site.finished("anna", "success", seconds=TAKEOVER)
            assert room.events()[0]["event_id"] == sent["event_id"]
            assert (room.texts(), sent["event_id"].removeprefix("$") in post["url"]) == ([post["text"]], True)
            count = site.until(lambda: found if (found := counted(site, "abc"))["shareCount"] else None)
        assert (count["shareCount"], count["breakdown"]["evidence"]) == (1, {"posted": 1})
        assert site.program.run("verify").out == "1 content item, drift 0\n"


def counted(site: Site, video: str) -> Any:
    return site.request("anna", "GET", f"/share-links/count/video/{video}")[1]
