"""The tree of errors, and the stable code of each."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sharetally.domain import errors
from sharetally.domain.errors import (
    BrokerUnavailable,
    CommitOutcomeUnknown,
    Conflict,
    DataRejected,
    Forbidden,
    Gone,
    IdempotencyKeyReused,
    InvalidRequest,
    JobIdReused,
    MethodNotAllowed,
    NotFound,
    PlatformUnreachable,
    QueueFull,
    RateLimited,
    Rejected,
    SharetallyError,
    TooLarge,
    TransientConflict,
    Unauthenticated,
    Unavailable,
    UnsupportedPlatforms,
    UpgradeRequired,
)

CODES: dict[type[SharetallyError], str] = {
    InvalidRequest: "invalid-request",
    UnsupportedPlatforms: "unsupported-platforms",
    Unauthenticated: "unauthenticated",
    Forbidden: "forbidden",
    NotFound: "not-found",
    MethodNotAllowed: "method-not-allowed",
    Conflict: "conflict",
    Gone: "gone",
    TooLarge: "too-large",
    IdempotencyKeyReused: "idempotency-key-reused",
    JobIdReused: "job-id-reused",
    UpgradeRequired: "upgrade-required",
    RateLimited: "rate-limited",
    PlatformUnreachable: "platform-unavailable",
    Unavailable: "unavailable",
    QueueFull: "unavailable",
    BrokerUnavailable: "unavailable",
    CommitOutcomeUnknown: "unavailable",
    TransientConflict: "unavailable",
    DataRejected: "internal",
}


def tree(kind: type[SharetallyError], depth: int = 0) -> Iterator[tuple[int, str]]:
    yield depth, kind.__name__
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child, depth + 1)


def test_the_tree_is_as_it_is_drawn() -> None:
    drawn = re.findall(r"^ {4}((?:│ {3})*)(?:[├└]── )(\w+)", errors.__doc__ or "", re.MULTILINE)
    assert [(len(bars) // 4 + 1, name) for bars, name in drawn] == list(tree(SharetallyError))[1:]


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: str(kind.__name__))
def test_the_codes_are_stable(kind: type[SharetallyError]) -> None:
    assert kind.code == CODES[kind]


def test_a_full_queue_promises_that_nothing_was_written() -> None:
    assert "nothing was written" in QueueFull().detail
    assert QueueFull().retry_after >= 1


def test_an_invalid_request_names_the_field_and_the_reason() -> None:
    error = InvalidRequest(("platforms", "is empty"), ("mode", "is unknown"))
    assert error.invalid == (("platforms", "is empty"), ("mode", "is unknown"))
    assert error.detail == "platforms: is empty; mode: is unknown"
    assert isinstance(error, Rejected)


def test_unsupported_and_supported_platforms_are_listed() -> None:
    error = UnsupportedPlatforms(["myspace"], ["twitter", "email"])
    assert (error.unsupported, error.supported) == (("myspace",), ("twitter", "email"))
    assert "myspace" in error.detail
    assert "twitter, email" in error.detail


def test_a_rate_limit_error_names_the_retry_delay() -> None:
    error = RateLimited(retry_after=7, limit=600, window=60)
    assert (error.retry_after, error.limit, error.window) == (7, 600, 60)
    assert "7 s" in error.detail


def test_the_allowed_methods_are_named() -> None:
    assert MethodNotAllowed(["GET", "HEAD"]).allowed == ("GET", "HEAD")
