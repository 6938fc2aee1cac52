"""Everything that can be read, held against the model. Counts are looked at after every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.rules.client_requests.client_request import CONTENTS, USERS, content_fields, content_path, content_query
from tests.rules.client_requests.link import PAST
from tests.rules.machine_state import MachineState
from tests.rules.model import Content, Line
from tests.web.api import HttpResponse, problem

OTHERS = ("whatsapp", "linkedin")
IN_ORDER = ("twitter", "whatsapp", "facebook", "linkedin")


class ReadRules(MachineState):
    """The reading half."""

    def __init__(self) -> None:
        super().__init__()
        self._tagged: dict[Content, HttpResponse] = {}
        self._last: dict[tuple[Content, str], tuple[int, str]] = {}

    # counts

    @invariant()
    def exact_counts_match_the_model(self) -> None:
        for content in self.model.contents:
            assert _counted(self._count(content, "?consistent=true").json) == self._expected_count(content)

    @invariant()
    def an_etag_identifies_one_count(self) -> None:
        for content in self.model.contents:
            self._check_conditional_get(content)

    @rule(content=CONTENTS)
    def check_counts(self, content: int) -> None:
        where = self.model.contents[content]
        self._prove(where)
        self._count_many(where)

    def _prove(self, where: Content) -> None:
        """Ledger, pending and counted side by side; the plain count is what is counted."""
        proof = self._proof(where)
        assert [cell for cell in proof["cells"] if cell["drift"]] == []
        assert (proof["ledger"], proof["drift"]) == (self.model.total(where), 0)
        assert _counted(self._count(where).json) == _count_from_proof(proof)

    def _check_conditional_get(self, where: Content) -> None:
        """304 only if the answer has not changed since; a change has another tag, and a higher version."""
        now = self._count(where)
        before = self._tagged.get(where)
        self._tagged[where] = now
        if before is None:
            return
        again = self._count(where, headers={"if-none-match": before.headers["etag"]})
        if again.status == 304:
            assert (again.headers["etag"], now.body) == (before.headers["etag"], before.body)
        else:
            assert again.body == now.body != before.body
            assert now.json["version"] > before.json["version"]

    def _count_many(self, where: Content) -> None:
        wanted = [*self.model.contents, ("video", f"never-{self.model.name}"), where]
        asked = {"contents": [content_fields(each) for each in wanted]}
        response = self.harness.run(self.harness.apis[0].request("POST", "/share-links/counts", asked))
        assert response.json["counts"] == [self._count(each).json for each in wanted]

    def _count(self, content: Content, query: str = "", **how: Any) -> HttpResponse:
        return self.harness.get(f"/share-links/count/{content_path(content)}{query}", **how)

    def _proof(self, content: Content) -> Any:
        return self.harness.get(f"/proof/{content_path(content)}").json

    def _expected_count(self, content: Content) -> tuple[int, dict[str, dict[str, int]]]:
        return max(self.model.total(content), 0), self.model.breakdown(content)

    # shares

    @rule(content=CONTENTS, user=USERS, by_video=st.booleans())
    def check_shares(self, content: int, user: str, by_video: bool) -> None:
        where = self.model.contents[content]
        base = f"/videos/{where[1]}" if by_video and where[0] == "video" else f"/content/{content_path(where)}"
        found = self.harness.get(f"{base}/share-status", user=user).json["platforms"]
        assert [each["platform"] for each in found] == list(IN_ORDER)
        for each in found:
            self._check_last_shared(where, each)
            assert {name: each[name] for name in each if name != "lastSharedAt"} == self._expected_status(
                where, user, each
            )

    def _expected_status(self, content: Content, user: str, shown: Mapping[str, Any]) -> dict[str, Any]:
        platform = shown["platform"]
        statuses = [each.status for key, each in self.model.records.items() if key[:2] == (content, platform)]
        mine = self.model.records.get((content, platform, user))
        live = statuses.count("success")
        wanted: dict[str, Any] = {"platform": platform, "shared": live > 0, "shareCount": live}
        wanted["sharedByMe"] = mine is not None and mine.status == "success"
        if mine is not None:
            wanted["myStatus"] = mine.status
            if mine.error:
                wanted["myError"] = {"code": mine.error, "message": shown["myError"]["message"]}
        if "myPost" in shown:  # what became of the newest retry
            wanted["myPost"] = shown["myPost"]
        return wanted

    def _check_last_shared(self, content: Content, shown: Mapping[str, Any]) -> None:
        """The time is there where it is shared, and moves just when somebody shares."""
        assert ("lastSharedAt" in shown) == shown["shared"]
        if not shown["shared"]:
            return
        key = (content, shown["platform"])
        times, at = self.model.shared[key], shown["lastSharedAt"]
        before = self._last.get(key, (times, at))
        assert at == before[1] if times == before[0] else self.order_unknown or at > before[1]
        self._last[key] = (times, at)

    # links

    @rule(place=st.integers(0, 9), content=CONTENTS, user=USERS)
    def check_links(self, place: int, content: int, user: str) -> None:
        self._follow(place, user)
        self._list(self.model.contents[content], user)

    def _follow(self, place: int, user: str) -> None:
        if not self.model.links:
            return
        link_id, link = sorted(self.model.links.items())[place % len(self.model.links)]
        response = self.harness.get(f"/share-links/{link_id}", user=user)
        if link.live and link.user == user:
            assert link.shown.items() <= response.json.items()
        else:
            problem(response, 404, "not-found")
        led = self.harness.get(f"/s/{link.shown['code']}", user=None)
        gone = not link.live or link.shown["expiresAt"] == PAST
        assert (led.status, led.headers.get("location")) == ((410, None) if gone else (302, link.shown["url"]))

    def _list(self, where: Content, user: str) -> None:
        links = self.model.links.values()
        own = [link for link in links if (link.content, link.user, link.live) == (where, user, True)]
        found = self.harness.get(f"/share-links?{content_query(where)}", user=user)
        wanted = sorted(own, key=lambda link: str(link.shown["id"]), reverse=True)
        shown = found.json["items"]
        assert [each["id"] for each in shown] == [link.shown["id"] for link in wanted]
        assert all(link.shown.items() <= each.items() for link, each in zip(wanted, shown, strict=True))

    # the audit

    @rule(content=CONTENTS, user=USERS | st.none(), page=st.integers(1, 20))
    def check_audit(self, content: int, user: str | None, page: int) -> None:
        """All of it with the scope `audit`, else one's own."""
        where = self.model.contents[content]
        wanted = [line for line in self.model.lines(where) if user in (None, line[1])]
        found = self._audit(where, page=page, user=user or "auditor", scope="shares" if user else "audit")
        self.assert_same_lines(found, wanted)

    def assert_same_lines(self, found: list[Line], wanted: list[Line]) -> None:
        """In order; where some things happened at once, in any order."""
        assert Counter(found) == Counter(wanted) if self.order_unknown else found == wanted

    def _audit(self, content: Content, *, page: int, **how: str) -> list[Line]:
        query = f"{content_query(content)}&pageSize={page}"
        found: list[Any] = []
        following: str | None = ""
        while following is not None:
            after = f"&startingAfter={following}" if following else ""
            answer = self.harness.get(f"/audit?{query}{after}", **how).json
            found += answer["items"]
            following = answer["next"]
        return [(line["action"], line["userId"], line["actor"], line["platform"], line["status"]) for line in found][
            ::-1
        ]

    # the end

    def check_final_counts(self) -> None:
        """When everything is counted, the plain count is that of the model."""
        for content in self.model.contents:
            assert self._proof(content)["pending"] == 0
            assert _counted(self._count(content).json) == self._expected_count(content)
            self.assert_same_lines(
                self._audit(content, page=200, user="auditor", scope="audit"), self.model.lines(content)
            )


def _counted(shown: Mapping[str, Any]) -> tuple[int, dict[str, dict[str, int]]]:
    return shown["shareCount"], shown["breakdown"]


def _count_from_proof(proof: Mapping[str, Any]) -> tuple[int, dict[str, dict[str, int]]]:
    """The count that the proof reports as counted; it must be shown however old the cache is."""
    cells: dict[str, dict[str, int]] = {"evidence": {}, "channel": {}, "campaign": {}}
    for each in proof["cells"]:
        dimension, _, value = each["cell"].partition(":")
        if dimension in cells and each["counted"] > 0:
            cells[dimension][value] = each["counted"]
    return max(proof["counted"], 0), cells
