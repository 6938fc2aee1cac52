"""Making, changing and deleting share links: one's own, as an admin, or those of somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tests.rules.client_requests.client_request import (
    CONTENTS,
    KEYS,
    LABELS,
    NOT_FOUND,
    USERS,
    ExpectedResponse,
    Operation,
    content_fields,
)
from tests.rules.model import Link, Model, Request
from tests.web.api import HttpResponse

PAST, FUTURE = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
URLS = st.sampled_from(["https://example.org/a", "https://example.org/b"])
MOMENTS = st.sampled_from([None, PAST, FUTURE])
ADMIN = "root"
ASKERS = st.one_of(USERS, USERS, USERS, st.just(ADMIN))


@dataclass(frozen=True, kw_only=True)
class CreateLink(Operation):
    """POST /share-links."""

    content: int
    fields: Mapping[str, Any]

    def request(self, model: Model) -> Request:
        body = {**content_fields(model.contents[self.content]), **self.fields}
        return Request(user=self.user, method="POST", target="/share-links", body=body)

    def apply(self, model: Model, request: Request, response: HttpResponse) -> ExpectedResponse:
        content = model.contents[self.content]
        shown = {
            **content_fields(content),
            "userId": self.user,
            "channelId": None,
            "campaignId": None,
            "expiresAt": None,
        }
        link = Link(content=content, user=self.user, shown={**shown, **self.fields})
        if response.status == 201:
            made = {name: response.json[name] for name in ("id", "code", "createdAt")}
            link = replace(link, shown={**link.shown, **made})
            model.links[made["id"]] = link
        audited(model, link, "link_created", self.user)
        return ExpectedResponse(status=201, body={**link.shown, "shortUrl": f"/s/{link.shown.get('code')}"})


@dataclass(frozen=True, kw_only=True)
class _OnLink(Operation):
    """A request about the link that was created as number `place`."""

    place: int

    def asked(self, model: Model, method: str, body: Any = b"") -> Request | None:
        """The request, if there is any link."""
        if not model.links:
            return None
        link_id = sorted(model.links)[self.place % len(model.links)]
        scope = "shares admin" if self.user == ADMIN else "shares"
        return Request(user=self.user, scope=scope, method=method, target=f"/share-links/{link_id}", body=body)

    def held(self, model: Model, request: Request) -> tuple[str, Link] | None:
        """The link, if it exists for the caller."""
        link_id = request.target.rpartition("/")[2]
        link = model.links[link_id]
        return (link_id, link) if link.live and self.user in (link.user, ADMIN) else None


@dataclass(frozen=True, kw_only=True)
class PatchLink(_OnLink):
    """PATCH /share-links/{id}."""

    fields: Mapping[str, Any]

    def request(self, model: Model) -> Request | None:
        return self.asked(model, "PATCH", self.fields)

    def apply(self, model: Model, request: Request, response: HttpResponse) -> ExpectedResponse:
        found = self.held(model, request)
        if found is None:
            return NOT_FOUND
        link_id, before = found
        after = replace(before, shown={**before.shown, **self.fields})
        model.links[link_id] = after
        if after != before:
            audited(model, after, "link_updated", self.user)
        return ExpectedResponse(status=200, body=after.shown)


@dataclass(frozen=True, kw_only=True)
class DeleteLink(_OnLink):
    """DELETE /share-links/{id}."""

    def request(self, model: Model) -> Request | None:
        return self.asked(model, "DELETE")

    def apply(self, model: Model, request: Request, response: HttpResponse) -> ExpectedResponse:
        found = self.held(model, request)
        if found is None:
            return NOT_FOUND
        link_id, link = found
        model.links[link_id] = replace(link, live=False)
        audited(model, link, "link_deleted", self.user)
        return ExpectedResponse(status=204)


def audited(model: Model, link: Link, action: str, actor: str) -> None:
    """A line about a link."""
    model.audit.append((link.content, (action, link.user, actor, None, None)))


_optional = {"channelId": LABELS, "campaignId": LABELS, "expiresAt": MOMENTS}
_new = st.fixed_dictionaries({"url": URLS}, optional=_optional)
_changes = st.fixed_dictionaries({}, optional={"url": URLS, **_optional})
_places = st.integers(0, 9)
creations = st.builds(CreateLink, user=USERS, key=KEYS, content=CONTENTS, fields=_new)
patches = st.builds(PatchLink, user=ASKERS, key=KEYS, place=_places, fields=_changes)
deletions = st.builds(DeleteLink, user=ASKERS, key=KEYS, place=_places)
