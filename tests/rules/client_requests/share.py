"""Sharing on some platforms, by force or not; withdrawing; retrying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.rules.client_requests.client_request import (
    CONTENTS,
    KEYS,
    NOT_FOUND,
    PLATFORMS,
    USERS,
    ExpectedResponse,
    Operation,
    content_fields,
    content_path,
    error_response,
)
from tests.rules.model import Content, Key, Model, Record, Request
from tests.web.api import HttpResponse

SPELT = {"twitter": "twitter", " X ": "twitter", "facebook": "facebook"}
WAITS, FAILED = ("pending", "sending"), ("failed", "unknown")
ACTIONS = {"success": "reshared", "withdrawn": "revived"}


@dataclass(frozen=True, kw_only=True)
class _OfContent(Operation):
    """A request about a user's shares of a content item; `by_video` uses the routes for videos."""

    content: int
    by_video: bool = False

    def videos(self, content: Content) -> bool:
        """Whether it takes that route."""
        return self.by_video and content[0] == "video"

    def base(self, content: Content) -> str:
        """Where the content's shares are."""
        return f"/videos/{content[1]}" if self.videos(content) else f"/content/{content_path(content)}"


@dataclass(frozen=True, kw_only=True)
class Share(_OfContent):
    """POST …/share."""

    platforms: Sequence[str]
    force: bool = False

    def request(self, model: Model) -> Request:
        target = f"{self.base(model.contents[self.content])}/share"
        body = {"platforms": list(self.platforms), "force": self.force}
        return Request(user=self.user, method="POST", target=target, body=body)

    def apply(self, model: Model, request: Request, response: HttpResponse) -> ExpectedResponse:
        content = model.contents[self.content]
        wanted = dict.fromkeys(SPELT[each] for each in self.platforms)
        results = [self._one(model, (content, platform, self.user)) for platform in wanted]
        pending = any(each["status"] in WAITS for each in results)
        head = {"video_id": content[1]} if self.videos(content) else content_fields(content)
        return ExpectedResponse(status=202 if pending else 200, body={**head, "mode": "track_only", "results": results})

    def _one(self, model: Model, key: Key) -> dict[str, object]:
        stands = model.records.get(key)
        live = stands is not None and stands.status == "success"
        if stands is None or not (stands.status in WAITS or (live and not self.force)):
            stands = self._shared(model, key, stands)
        shown = {"platform": key[1], "status": stands.status, "evidence": stands.evidence}
        return {**shown, "alreadyShared": live}

    def _shared(self, model: Model, key: Key, stands: Record | None) -> Record:
        before = stands or Record(status="", evidence="declared", attempts=0)
        evidence = before.evidence if before.status == "success" else "declared"
        after = Record(status="success", evidence=evidence, attempts=before.attempts + 1)
        model.records[key] = after
        model.shared[key[:2]] += 1
        audited(model, key, ACTIONS.get(before.status, "shared"))
        return after


@dataclass(frozen=True, kw_only=True)
class Withdraw(_OfContent):
    """DELETE …/share/{platform}."""

    platform: str

    def request(self, model: Model) -> Request:
        target = f"{self.base(model.contents[self.content])}/share/{self.platform}"
        return Request(user=self.user, method="DELETE", target=target)

    def apply(self, model: Model, request: Request, response: HttpResponse) -> ExpectedResponse:
        key = (model.contents[self.content], self.platform, self.user)
        stands = model.records.get(key)
        if stands is None or stands.status not in ("success", *WAITS, "unknown"):
            return NOT_FOUND
        model.records[key] = replace(stands, status="withdrawn")
        audited(model, key, "withdrawn")
        return ExpectedResponse(status=204)


@dataclass(frozen=True, kw_only=True)
class Retry(_OfContent):
    """POST …/share/{platform}/retry."""

    platform: str

    def request(self, model: Model) -> Request:
        target = f"{self.base(model.contents[self.content])}/share/{self.platform}/retry"
        return Request(user=self.user, method="POST", target=target)

    def apply(self, model: Model, request: Request, response: HttpResponse) -> ExpectedResponse:
        key = (model.contents[self.content], self.platform, self.user)
        stands = model.records.get(key)
        if stands is None:
            return NOT_FOUND
        if stands.status not in FAILED:
            return error_response(409, "conflict")
        attempts = stands.attempts + 1
        waits = "unknown" if stands.status == "unknown" else "pending"  # what may be there is looked up first
        model.records[key] = Record(status=waits, evidence="posted", attempts=attempts)
        model.orders.append(key)
        audited(model, key, "retried")
        return ExpectedResponse(status=202, body={"platform": self.platform, "status": waits, "attemptCount": attempts})


def audited(model: Model, key: Key, action: str, *, actor: str | None = None) -> None:
    """An audit line about a record as it is now."""
    content, platform, user = key
    model.audit.append((content, (action, user, actor or user, platform, model.records[key].status)))


_fields = {"user": USERS, "key": KEYS, "content": CONTENTS, "by_video": st.booleans()}
_spelt = st.lists(st.sampled_from(list(SPELT)), min_size=1, max_size=3)
shares = st.builds(Share, platforms=_spelt, force=st.booleans(), **_fields)
withdrawals = st.builds(Withdraw, platform=PLATFORMS, **_fields)
retries = st.builds(Retry, platform=PLATFORMS, **_fields)
