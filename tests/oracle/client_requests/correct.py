"""Correcting counts, one or many at once, and the same correction again under its job id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

from tests.oracle.client import Response
from tests.oracle.client_requests.client_request import WriteOperation, content_fields, content_path, status_fault
from tests.oracle.expected import Correction, Expected


class Correct(WriteOperation):
    """POST …/adjustments for one content item; an adjustment whose job id exists already does not count again."""

    name = "correct"

    def __init__(self, expected: Expected, job_id: str, item: Correction) -> None:
        target = f"/share-links/count/{content_path(item.content)}/adjustments"
        super().__init__(user=item.user, method="POST", target=target, body=_body(job_id, item))
        self._job_id = job_id
        self._item = item
        self._stands = expected.corrections.get(job_id)
        self.keys = frozenset({job_id})
        if self._stands is None:
            self.deltas = {item.content: item.amount}

    def fault(self, response: Response) -> str | None:
        if self._stands is not None and self._stands != self._item:
            return status_fault(response, 422)
        if response.status != 202:
            return status_fault(response, 202)
        return None if response.json()["jobId"] == self._job_id else f"{self._job_id} expected, answered {response}"

    def apply(self, expected: Expected, subject: str) -> None:
        if self._stands is None:
            expected.correct(self._job_id, self._item)


class CorrectMany(WriteOperation):
    """POST /share-links/adjustments: all of them, or none."""

    name = "correct many"

    def __init__(self, items: Mapping[str, Correction]) -> None:
        body = {
            "adjustments": [{**content_fields(item.content), **_body(job_id, item)} for job_id, item in items.items()]
        }
        user = next(iter(items.values())).user
        super().__init__(user=user, method="POST", target="/share-links/adjustments", body=body)
        self._items = dict(items)
        self.keys = frozenset(items)
        moved: Counter[Hashable] = Counter()
        for item in items.values():
            moved[item.content] += item.amount
        self.deltas = dict(moved)

    def fault(self, response: Response) -> str | None:
        if response.status != 202:
            return status_fault(response, 202)
        return (
            None
            if response.json()["jobIds"] == list(self._items)
            else f"{list(self._items)} expected, answered {response}"
        )

    def apply(self, expected: Expected, subject: str) -> None:
        for job_id, item in self._items.items():
            expected.correct(job_id, item)


def _body(job_id: str, item: Correction) -> dict[str, object]:
    labels = (("channelId", item.channel), ("campaignId", item.campaign))
    return {
        "operation": "increment" if item.amount > 0 else "decrement",
        "amount": abs(item.amount),
        "reason": "counted by hand",
        "jobId": job_id,
        **{name: value for name, value in labels if value},
    }
