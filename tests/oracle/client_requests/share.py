"""Sharing on one to four platforms, by force or not, and taking a share back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

from tests.oracle.client import Response
from tests.oracle.client_requests.client_request import WriteOperation, content_path, status_fault
from tests.oracle.expected import Content, Expected, RecordKey


class Share(WriteOperation):
    """POST …/share; `by_video` takes the route that videos have of their own."""

    def __init__(
        self,
        expected: Expected,
        *,
        user: str,
        content: Content,
        platforms: Sequence[str],
        force: bool = False,
        by_video: bool = False,
    ) -> None:
        body = {"platforms": list(platforms), **({"force": True} if force else {})}
        super().__init__(user=user, method="POST", target=f"{_base(content, by_video)}/share", body=body)
        self.name = "force" if force else "share"
        self._force = force
        self._named = _named(content, by_video)
        self._records: list[RecordKey] = [(content, platform, user) for platform in platforms]
        self._already = [expected.live(key) for key in self._records]
        self.keys = frozenset(self._records)
        self.deltas = _deltas(self._records, self._already)

    def fault(self, response: Response) -> str | None:
        if response.status != 200:
            return status_fault(response, 200)
        found = response.json()
        results = [(each["platform"], each["status"], each["alreadyShared"]) for each in found["results"]]
        promised = [(key[1], "success", already) for key, already in zip(self._records, self._already, strict=True)]
        if results != promised:
            return f"{promised} expected, answered {response}"
        right = found["mode"] == "track_only" and self._named.items() <= found.items()
        return None if right else f"{self._named} expected, answered {response}"

    def apply(self, expected: Expected, subject: str) -> None:
        for key in self._records:
            expected.share(key, force=self._force)


class Withdraw(WriteOperation):
    """DELETE …/share/{platform}."""

    name = "withdraw"

    def __init__(self, expected: Expected, *, user: str, content: Content, platform: str, by_video: bool) -> None:
        super().__init__(user=user, method="DELETE", target=f"{_base(content, by_video)}/share/{platform}")
        self._record: RecordKey = (content, platform, user)
        self._live = expected.live(self._record)
        self.keys = frozenset({self._record})
        if self._live:
            self.deltas = {content: -1, (content, platform): -1}

    def fault(self, response: Response) -> str | None:
        return status_fault(response, 204 if self._live else 404)

    def apply(self, expected: Expected, subject: str) -> None:
        if self._live:
            expected.withdraw(self._record)


def _deltas(records: Sequence[RecordKey], already: Sequence[bool]) -> dict[Hashable, int]:
    made: Counter[Hashable] = Counter()
    for (content, platform, _), live in zip(records, already, strict=True):
        if not live:
            made[content] += 1
            made[content, platform] += 1
    return dict(made)


def _base(content: Content, by_video: bool) -> str:
    path = content_path(content)
    return f"/videos/{path.removeprefix('video/')}" if by_video else f"/content/{path}"


def _named(content: Content, by_video: bool) -> dict[str, str]:
    return {"video_id": content[1]} if by_video else {"contentType": content[0], "contentId": content[1]}
