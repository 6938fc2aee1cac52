"""Correcting counts: one or many, again under the same job id, or another correction under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.rules.client_requests.client_request import (
    CONTENTS,
    KEYS,
    LABELS,
    ExpectedResponse,
    Operation,
    content_fields,
    content_path,
    error_response,
)
from tests.rules.model import Correction, Model, Request
from tests.web.api import HttpResponse

ADMIN = "root"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One correction; `job` None leaves its id to the service."""

    content: int
    amount: int
    channel: str | None
    campaign: str | None
    reason: str
    job: str | None

    def job_id(self, model: Model) -> str | None:
        """A job id that no other request has."""
        return f"{model.name}-{self.job}" if self.job else None

    def body(self, model: Model) -> dict[str, object]:
        """As it is sent."""
        labels = {"channelId": self.channel, "campaignId": self.campaign}
        job = {"jobId": self.job_id(model)} if self.job else {}
        operation = "increment" if self.amount > 0 else "decrement"
        return {"operation": operation, "amount": abs(self.amount), "reason": self.reason, **labels, **job}

    def item(self, model: Model) -> Correction:
        """The adjustment as the ledger stores it."""
        return Correction(
            content=model.contents[self.content],
            amount=self.amount,
            channel=self.channel,
            campaign=self.campaign,
            reason=self.reason,
        )


@dataclass(frozen=True, kw_only=True)
class Correct(Operation):
    """POST …/adjustments for one content, or for many where there is not just one."""

    lines: Sequence[Line]
    many: bool

    def request(self, model: Model) -> Request:
        one = self.lines[0]
        if self.many:
            lines = [{**content_fields(model.contents[each.content]), **each.body(model)} for each in self.lines]
            target, body = "/share-links/adjustments", dict[str, object](adjustments=lines)
        else:
            target = f"/share-links/count/{content_path(model.contents[one.content])}/adjustments"
            body = one.body(model)
        return Request(user=self.user, scope="admin", method="POST", target=target, body=body)

    def apply(self, model: Model, request: Request, response: HttpResponse) -> ExpectedResponse:
        answered = self._answered(response)
        jobs = [line.job_id(model) or made for line, made in zip(self._lines, answered, strict=True)]
        new: dict[str, Correction] = {}
        for job, line in zip(jobs, self._lines, strict=True):
            item = line.item(model)
            if {**new, **model.corrections}.get(job, item) != item:
                return error_response(422, "job-id-reused")
            if job not in model.corrections:
                new[job] = item
        model.corrections |= new
        model.audit += [(item.content, ("adjusted", self.user, self.user, None, None)) for item in new.values()]
        return ExpectedResponse(status=202, body={"jobIds": jobs} if self.many else {"jobId": jobs[0]})

    @property
    def _lines(self) -> Sequence[Line]:
        return self.lines if self.many else self.lines[:1]

    def _answered(self, response: HttpResponse) -> list[str]:
        """The ids that were answered; where there are none, any that differ."""
        if response.status != 202:
            return [f"nobody's-{place}" for place in range(len(self._lines))]
        return list(response.json["jobIds"]) if self.many else [response.json["jobId"]]


_lines = st.builds(
    Line,
    content=CONTENTS,
    amount=st.sampled_from([1, 2, 1_000_000, -1, -3]),
    channel=LABELS,
    campaign=LABELS,
    reason=st.sampled_from(["import", "counted by hand"]),
    job=st.sampled_from([None, "1", "2", "3"]),
)
corrections = st.builds(
    Correct, user=st.just(ADMIN), key=KEYS, lines=st.lists(_lines, min_size=1, max_size=3), many=st.booleans()
)
