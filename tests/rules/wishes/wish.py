"""A wish: what is sent, and what the contract promises to whoever sends it to what stands."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.rules.model import Content, Model, Request
from tests.web.api import Said

# the first is asked for most, so that what happens meets what happened
USERS = st.sampled_from(["anna", "anna", "anna", "bert"])
CONTENTS = st.sampled_from([0, 0, 0, 1])
PLATFORMS = st.sampled_from(["twitter", "twitter", "facebook"])
KEYS = st.sampled_from([None] * 9 + ["k1", "k2", "k3"])
LABELS = st.sampled_from([None, "a", "b"])


@dataclass(frozen=True, kw_only=True)
class Promise:
    """The status, and fields that the body has; `exactly` is a body that is answered again to the byte."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    exactly: Said | None = None

    def kept(self, said: Said) -> bool:
        """Whether this is what was answered."""
        if said.status != self.status:
            return False
        if self.exactly is not None:
            named = ("content-type", "location")
            same = all(said.headers.get(name) == self.exactly.headers.get(name) for name in named)
            return same and said.body == self.exactly.body
        return not self.body or shows(said.json, self.body)


def shows(found: object, wanted: object) -> bool:
    """Whether what is found has all that is wanted; of objects, only the fields that are named count."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(name in found and shows(found[name], value) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(shows, found, wanted))
    return found == wanted


def refused(status: int, code: str) -> Promise:
    """An error, and nothing was done."""
    return Promise(status=status, body={"type": f"/problems/{code}"})


NOT_FOUND = refused(404, "not-found")
KEY_REUSED = refused(422, "idempotency-key-reused")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """`user` sends it, under `key` if there is one."""

    user: str
    key: str | None = None

    @abstractmethod
    def request(self, model: Model) -> Request | None:
        """What is sent; None where there is nothing yet to send it to."""

    @abstractmethod
    def happens(self, model: Model, request: Request, said: Said) -> Promise:
        """Enter it into the model; `said` only tells the ids that the service made."""


def told(wish: Wish, request: Request, model: Model, said: Said) -> Promise:
    """What is promised, keys included: the same request is answered as it was, another one is refused."""
    if request.key is None:
        return wish.happens(model, request, said)
    stored = model.answers.get((request.user, request.key))
    if stored is not None:
        before, answer = stored
        return Promise(status=answer.status, exactly=answer) if before == request else KEY_REUSED
    promise = wish.happens(model, request, said)
    if promise.status < 300:
        model.answers[request.user, request.key] = (request, said)
    return promise


def sent(wish: Wish, model: Model) -> Request | None:
    """The request with its key, which is nobody else's."""
    request = wish.request(model)
    return replace(request, key=f"{model.name}-{wish.key}") if request and wish.key else request


def path_of(content: Content) -> str:
    """A content in a path."""
    return f"{content[0]}/{quote(content[1], safe='')}"


def named(content: Content) -> dict[str, str]:
    """A content in a body."""
    return {"contentType": content[0], "contentId": content[1]}


def queried(content: Content) -> str:
    """A content in a query."""
    return f"contentType={content[0]}&contentId={quote(content[1], safe='')}"
