"""Logs: one form for every line, no secret in any, and no line that can stop the service."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog

from sharetally.adapters.logs import configure
from sharetally.adapters.logs_masking import MAX_TEXT_LENGTH, mask, mask_text
from sharetally.adapters.logs_stderr import StandardError

ROOT = Path(__file__).parents[2]
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsInNjb3BlIjoiYWRtaW4ifQ.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0"
API_KEY = "stk_" + "Ab3_-" * 8 + "xyz"


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    """`configure` changes the process: put everything back."""
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capfd.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def only_line(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (line,) = lines(capfd)
    return line


# the form


def test_a_line_is_one_json_object(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    before = datetime.now(UTC)
    structlog.get_logger("sharetally.worker").info("job", jobId=UUID(int=7), success=True, data={"shareCount": 42})
    said = only_line(capfd)
    assert list(said)[:4] == ["time", "level", "logger", "event"]
    assert (said["level"], said["logger"], said["event"]) == ("info", "sharetally.worker", "job")
    assert said["jobId"] == "00000000-0000-0000-0000-000000000007"
    assert said["success"] is True
    assert said["data"] == {"shareCount": 42}
    assert len(said["time"]) == len("2026-11-20T12:00:00.000000Z")
    assert said["time"].endswith("Z")
    assert timedelta(0) <= datetime.fromisoformat(said["time"]) - before < timedelta(seconds=10)


def test_a_multiline_text_is_logged_on_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    structlog.get_logger("x").info('first\n{"level": "forged"}', name="second\r\nthird")
    assert only_line(capfd)["event"] == 'first\n{"level": "forged"}'


def test_log_lines_carry_the_id_of_the_current_request(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    with structlog.contextvars.bound_contextvars(requestId="r-1"):
        structlog.get_logger("a").info("inside")
        logging.getLogger("uvicorn.error").info("inside too")
    structlog.get_logger("a").info("outside")
    assert [line.get("requestId") for line in lines(capfd)] == ["r-1", "r-1", None]


def test_an_exception_is_logged_as_one_field(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    local = "hunter2-in-a-local"
    try:
        raise ValueError(f"no way to postgresql://app:{local}@db/x")
    except ValueError:
        structlog.get_logger("a").exception("broken")
    said = only_line(capfd)
    assert said["level"] == "error"
    assert said["exception"].startswith("Traceback (most recent call last):")
    assert said["exception"].endswith("ValueError: no way to postgresql://app:***@db/x")
    assert "exc_info" not in said
    assert local not in json.dumps(said)


@pytest.mark.parametrize("library", ["uvicorn", "uvicorn.error", "alembic", "aio_pika", "asyncio"])
def test_library_logs_use_the_same_format(library: str, capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    logging.getLogger(library).info("Started %s with %s", "process", "password=hunter2")
    said = only_line(capfd)
    assert list(said)[:4] == ["time", "level", "logger", "event"]
    assert (said["level"], said["logger"]) == ("info", library)
    assert said["event"] == "Started process with password=***"


def test_library_tracebacks_are_logged(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    error = RuntimeError("gone")
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=error)
    assert only_line(capfd)["exception"].endswith("RuntimeError: gone")


def test_a_malformed_library_log_call_is_still_logged(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    logging.getLogger("uvicorn").warning("%d files", "many")
    assert only_line(capfd)["event"] == "%d files"


def test_values_of_any_type_can_be_logged(capfd: pytest.CaptureFixture[str]) -> None:
    class Rude:
        def __str__(self) -> str:
            raise RuntimeError

    configure("info", "json")
    loop: list[object] = []
    loop.append(loop)
    log = structlog.get_logger("a")
    log.info("odd", half="\ud800", huge=10**30, nan=float("nan"), rude=Rude(), keys={1: {2, 3}}, raw=b"\xff", loop=loop)
    log.info("after")
    first, second = lines(capfd)
    assert (first["level"], first["event"]) == ("info", "odd")
    assert (first["nan"], first["keys"]) == (None, {"1": [2, 3]})
    assert (first["half"], first["huge"]) == (r"'\ud800'", 10**30)
    assert second["event"] == "after"


def test_a_long_text_is_shortened_in_the_middle(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    structlog.get_logger("a").info("long", text="a" * 1_000_000 + "z")
    text = only_line(capfd)["text"]
    assert MAX_TEXT_LENGTH <= len(text) <= MAX_TEXT_LENGTH + 10
    assert text[0] == "a"
    assert text[-1] == "z"


def test_on_a_terminal_lines_are_readable_and_control_characters_are_escaped(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    configure("info", "console")
    structlog.get_logger("sharetally.worker").warning("one\ntwo \x1b[2J \x9b1m", password="hunter2", queue="count")
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert "\x9b" not in said
    assert "hunter2" not in said
    for word in ("warning", "one", "two", "sharetally.worker", "queue=count"):
        assert word in said


def test_json_is_logged_when_stderr_is_not_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info")
    structlog.get_logger("a").info("plain")
    assert only_line(capfd)["event"] == "plain"


# the level


def test_below_the_level_nothing_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    configure("warning", "json")
    log = structlog.get_logger("a")
    log.debug("no")
    log.info("no")
    log.log(20, "no")
    logging.getLogger("uvicorn.error").info("no")
    log.warning("yes")
    logging.getLogger("uvicorn.error").error("yes")
    assert [line["event"] for line in lines(capfd)] == ["yes", "yes"]


def test_a_call_below_the_level_evaluates_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    class Untouched:
        def __str__(self) -> str:
            raise AssertionError

    configure("info", "json")
    structlog.get_logger("a").debug("no", value=Untouched())
    assert lines(capfd) == []


def test_sql_statements_and_values_are_never_logged(capfd: pytest.CaptureFixture[str]) -> None:
    configure("debug", "json")
    logging.getLogger("sqlalchemy.engine.Engine").info("INSERT INTO api_keys …")
    logging.getLogger("sqlalchemy.engine.Engine").debug("Row (…)")
    logging.getLogger("somebody").warning("careful")
    assert [line["event"] for line in lines(capfd)] == ["careful"]


def test_configuring_twice_does_not_duplicate_lines(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    configure("info", "json")
    logging.getLogger("uvicorn").info("once")
    assert len(lines(capfd)) == 1


# secrets


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc.def-123", "abc.def"),
        ("authorization:bearer   opaque", "opaque"),
        ("header was 'Bearer opaque'", "opaque"),
        ("BEARER\topaque", "opaque"),
        ("Bearer%20opaque", "opaque"),
        ("DPoP opaque", "opaque"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("Proxy-Authorization: Token opaque", "opaque"),
        ("[(b'authorization', b'Bearer opaque')]", "opaque"),
        ("[(b'cookie', b'session=opaque')]", "opaque"),
        ("[('x-api-key', 'opaque')]", "opaque"),
        ("Cookie: a=1; session=opaque", "opaque"),
        (f"key {API_KEY} was revoked", API_KEY[4:]),
        (f"/audit?key={API_KEY}&page=2", API_KEY[4:]),
        (f"x{API_KEY}", API_KEY[4:]),
        ("stk_short", "short"),
        (f"token {JWT} has expired", JWT.split(".")[1]),
        (f"/live?access_token={JWT}", JWT.split(".")[2]),
        (JWT, JWT.split(".")[2]),
        (JWT.rpartition(".")[0], JWT.split(".")[1]),
        (JWT[:30], JWT[4:30]),
        ("postgresql://app:hunter2@db.internal:5432/shares", "hunter2"),
        ("postgresql+asyncpg://app:hunter2@db/shares?ssl=true", "hunter2"),
        ("amqp://guest:p@ss:w/rd@rabbit//", "w/rd"),
        ("amqp://guest:p@ss:w/rd@rabbit//", "p@ss"),
        ("mysql://app:12345@db/x", "12345"),
        ("redis://:hunter2@cache:6379/0", "hunter2"),
        ("redis://:hunter2@one,redis://:swordfish@two", "swordfish"),
        ("redis://:hunter2@one,redis://:swordfish@two", "hunter2"),
        ("https://user:" + "x" * 1500 + "@host/", "xxx"),
        ("host=db password=hunter2 dbname=x", "hunter2"),
        ('{"password": "hunter two"}', "two"),
        ('{"password":"a\\"hunter2"}', "hunter2"),
        ("{'jwt_secret': 'hunter two'}", "two"),
        ("{'password': b'hunter two'}", "two"),
        ('"{\\"client_secret\\": \\"hunter two\\"}"', "two"),
        ("Settings(jwt_secret='hunter2', port=1)", "hunter2"),
        ("?refresh_token=hunter2&x=1", "hunter2"),
        ("PASSWORD = hunter2", "hunter2"),
        ("password%3Dhunter2", "hunter2"),
        ("api-key: hunter2", "hunter2"),
        ("apikey=hunter2", "hunter2"),
        ("passphrase:hunter2", "hunter2"),
        ("SHARETALLY_JWT_SECRET=hunter2", "hunter2"),
        ("a" * (2 * MAX_TEXT_LENGTH) + f" Bearer {JWT}", JWT.split(".")[2]),
    ],
)
def test_a_secret_in_a_text_is_masked(text: str, secret: str) -> None:
    assert secret in text
    shown = mask_text(text)
    assert secret not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0192f3c1-7b2a-7c5e-8d1f-1234567890ab",
        "http://localhost:8080/videos/a@b/share",
        "see http://[::1]:8080, please",
        "postgresql://app@db/shares",
        "the token has expired",
        "the token lacks a claim that is required: exp",
        "Basic authentication failed",
        "GET /share-links/count/article/123 HTTP/1.1",
        "2026-11-20T12:00:00Z",
        "Zoë ❤ emoji",
    ],
)
def test_text_without_secrets_is_not_masked(text: str) -> None:
    assert mask_text(text) == text


def test_a_masked_url_still_shows_its_host() -> None:
    shown = mask_text("cannot reach postgresql://app:hunter2@db.internal:5432/shares")
    assert shown == "cannot reach postgresql://app:***@db.internal:5432/shares"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Authorization",
        "jwt_secret",
        "clientSecret",
        "x-api-key",
        "apiKey",
        "access_token",
        "token",
        "Set-Cookie",
        "passwd",
        "pwd",
    ],
)
def test_fields_named_like_secrets_are_masked(name: str) -> None:
    assert mask({name: "hunter2"}) == {name: "***"}
    assert mask({name: ["hunter2"]}) == {name: "***"}
    assert mask({"deep": [{"in": {name: 12345}}]}) == {"deep": [{"in": {name: "***"}}]}
    assert mask([(name, "hunter2")]) == [[name, "***"]]
    assert mask([(name.encode(), b"hunter2")]) == [[name, "***"]]


def test_values_that_have_no_secrets_stay_as_they_are() -> None:
    plain = {"contentId": "abc", "shareCount": 42, "ratio": 0.5, "live": True, "none": None, "list": [1, "two"]}
    assert mask(plain) == plain


def test_objects_are_not_expanded_in_logs(capfd: pytest.CaptureFixture[str]) -> None:
    class Settings:
        def __init__(self) -> None:
            self.jwt_secret = "hunter2"

        def __repr__(self) -> str:
            return "Settings(jwt_secret='hunter2', port=8000)"

    configure("info", "json")
    structlog.get_logger("a").info("started", settings=Settings(), error=ValueError("password=hunter2"))
    said = only_line(capfd)
    assert said["settings"] == "Settings(jwt_secret=***, port=8000)"
    assert said["error"] == "password=***"


def test_bound_values_are_masked_too(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    with structlog.contextvars.bound_contextvars(authorization="Bearer hunter2"):
        structlog.get_logger("a").bind(url="redis://:hunter2@cache").info("hunter")
    assert "hunter2" not in json.dumps(only_line(capfd))


def test_a_secret_as_a_mappings_key_is_masked() -> None:
    assert mask({API_KEY: 1}) == {"stk_***": 1}


# no line can stop the service


def program(then: str) -> str:
    return f"""
import sys
from sharetally.adapters.logs import configure
import structlog
configure("info", "json")
log = structlog.get_logger("a")
{then}
for number in range(1000):
    log.info("line", number=number, text="x" * 100)
print("alive")
"""


def run(then: str, *, shell: str = 'exec "$0" "$@"', **more: Any) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", shell, sys.executable, "-c", program(then)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, timeout=60, check=False, **more)


@pytest.mark.parametrize(
    "shell",
    [
        'exec "$0" "$@" 2>&-',
        'exec "$0" "$@" 2>/dev/full',
        'exec "$0" "$@" 2>/dev/null',
    ],
    ids=["closed", "full", "nowhere"],
)
def test_a_full_stderr_does_not_stop_the_process(shell: str) -> None:
    ran = run("", shell=shell)
    assert (ran.stdout, ran.returncode) == ("alive\n", 0)


def test_a_closed_stderr_does_not_stop_the_process() -> None:
    ran = run("sys.stderr.close()", stderr=subprocess.DEVNULL)
    assert (ran.stdout, ran.returncode) == ("alive\n", 0)


def test_a_broken_stderr_pipe_does_not_stop_the_process() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = run("", stderr=writer)
    finally:
        os.close(writer)
    assert (ran.stdout, ran.returncode) == ("alive\n", 0)


class StalledPipe:
    """A pipe in place of standard error, read only when a test says so."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        self.writing = os.fdopen(writer, "w")
        os.set_blocking(self._reader, False)

    def read(self) -> bytes:
        taken = b""
        while True:
            try:
                taken += os.read(self._reader, 1 << 20)
            except BlockingIOError:
                return taken

    def close(self) -> None:
        self.writing.close()
        os.close(self._reader)


@contextmanager
def open_stalled_pipe() -> Iterator[StalledPipe]:
    made = StalledPipe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", made.writing)
        yield made
    made.close()


def lost_line_report(lost: int) -> bytes:
    return b"%d lost\n" % lost


def test_lines_dropped_by_a_stalled_reader_are_reported() -> None:
    stderr = StandardError(render_lost=lost_line_report, write_timeout=0.01)
    with open_stalled_pipe() as pipe:
        for number in range(1000):
            stderr.write(b"%03d %s\n" % (number, b"x" * 995))
        seen = pipe.read().splitlines()
        assert [int(line[:3]) for line in seen] == list(range(len(seen)))
        assert 0 < len(seen) < 1000
        stderr.write(b"again\n")
        assert pipe.read().splitlines() == [b"%d lost" % (1000 - len(seen)), b"again"]
        stderr.write(b"and on\n")
        assert pipe.read() == b"and on\n"


def test_a_line_that_was_cut_off_does_not_spoil_the_next() -> None:
    stderr = StandardError(render_lost=lost_line_report, write_timeout=0.01)
    with open_stalled_pipe() as pipe:
        stderr.write(b"x" * 1_000_000 + b"\n")
        assert set(pipe.read()) == set(b"x")
        stderr.write(b"next\n")
        assert pipe.read() == b"\n1 lost\nnext\n"


def test_a_stream_in_memory_takes_text(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    StandardError(render_lost=lost_line_report).write("Zoë\n".encode())
    assert stream.getvalue() == "Zoë\n"
