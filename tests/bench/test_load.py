"""What the load programs say is read to the letter; an error anywhere in it fails."""

from __future__ import annotations

import pytest

from bench.load.steady import is_complete, percentiles
from bench.load.wrk import parse_output
from bench.programs import LoadFailed

FINE = """Running 3s test @ http://127.0.0.1:8000
  1 threads and 64 connections
  30000 requests in 3.00s, 12.30MB read
Requests/sec:  10000.00
"""


def test_wrk_s_answers_and_seconds() -> None:
    load = parse_output(FINE)
    assert (load.answers, load.seconds, load.rate) == (30000, 3.0, 10000.0)


def test_a_minute_is_shown_in_minutes() -> None:
    assert parse_output(FINE.replace("3.00s", "1.00m")).seconds == 60.0


@pytest.mark.parametrize(
    "line",
    ["  Non-2xx or 3xx responses: 1", "  Socket errors: connect 0, read 0, write 0, timeout 1"],
)
def test_an_error_in_the_load_fails(line: str) -> None:
    with pytest.raises(LoadFailed, match="met errors"):
        parse_output(FINE + line)


def test_no_answer_at_all_fails() -> None:
    with pytest.raises(LoadFailed, match="no answer"):
        parse_output("  0 requests in 3.00s, 0.00B read")


def test_percentiles_are_of_all_answers_in_milliseconds() -> None:
    assert percentiles([number / 1000 for number in range(1, 1001)]) == {
        "p50": pytest.approx(501), "p99": pytest.approx(991), "max": pytest.approx(1000),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("received", "complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", True),
    ],
)
def test_an_answer_has_come_when_its_last_byte_has(received: bytes, complete: bool) -> None:
    assert is_complete(received) is complete
