"""A request: what is sent, and what the contract promises to the caller in the present state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.rules.model import Content, Model, Request
from tests.web.api import HttpResponse

# the first is used most, so that requests meet the results of others
USERS = st.sampled_from(["anna", "anna", "anna", "bert"])
CONTENTS = st.sampled_from([0, 0, 0, 1])
PLATFORMS = st.sampled_from(["twitter", "twitter", "facebook"])
KEYS = st.sampled_from([None] * 9 + ["k1", "k2", "k3"])
LABELS = st.sampled_from([None, "a", "b"])


@dataclass(frozen=True, kw_only=True)
class ExpectedResponse:
    """The status, and fields that the body has; `exact_response` is a body that is answered again to the byte."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    exact_response: HttpResponse | None = None

    def matches(self, response: HttpResponse) -> bool:
        """Whether the answer is the one that was promised."""
        if response.status != self.status:
            return False
        if self.exact_response is not None:
            named = ("content-type", "location")
            same = all(response.headers.get(name) == self.exact_response.headers.get(name) for name in named)
            return same and response.body == self.exact_response.body
        return not self.body or contains(response.json, self.body)


def contains(found: object, wanted: object) -> bool:
    """Whether the value matches the expected one; in objects, only the expected fields are compared."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(name in found and contains(found[name], value) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(contains, found, wanted))
    return found == wanted


def error_response(status: int, code: str) -> ExpectedResponse:
    """An error, and nothing was done."""
    return ExpectedResponse(status=status, body={"type": f"/problems/{code}"})


NOT_FOUND = error_response(404, "not-found")
KEY_REUSED = error_response(422, "idempotency-key-reused")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`user` sends it, under `key` if there is one."""

    user: str
    key: str | None = None

    @abstractmethod
    def request(self, model: Model) -> Request | None:
        """What is sent; None where there is nothing yet to send it to."""

    @abstractmethod
    def apply(self, model: Model, request: Request, response: HttpResponse) -> ExpectedResponse:
        """Enter it into the model; `response` is used only for the ids that the service created."""


def expected_response(operation: Operation, request: Request, model: Model, response: HttpResponse) -> ExpectedResponse:
    """The promise, with idempotency keys: a repeated request gets the first answer, and a different one is refused."""
    if request.key is None:
        return operation.apply(model, request, response)
    stored = model.answers.get((request.user, request.key))
    if stored is not None:
        before, answer = stored
        return ExpectedResponse(status=answer.status, exact_response=answer) if before == request else KEY_REUSED
    expected = operation.apply(model, request, response)
    if expected.status < 300:
        model.answers[request.user, request.key] = (request, response)
    return expected


def request_for(operation: Operation, model: Model) -> Request | None:
    """The request with its key, which no other request has."""
    request = operation.request(model)
    return replace(request, key=f"{model.name}-{operation.key}") if request and operation.key else request


def content_path(content: Content) -> str:
    """A content in a path."""
    return f"{content[0]}/{quote(content[1], safe='')}"


def content_fields(content: Content) -> dict[str, str]:
    """A content in a body."""
    return {"contentType": content[0], "contentId": content[1]}


def content_query(content: Content) -> str:
    """A content in a query."""
    return f"contentType={content[0]}&contentId={quote(content[1], safe='')}"
