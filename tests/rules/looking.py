"""Everything that can be read, held against the model. Counts are looked at after every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.rules.model import Content, Line
from tests.rules.standing import Standing
from tests.rules.wishes.link import PAST
from tests.rules.wishes.wish import CONTENTS, USERS, named, path_of, queried
from tests.web.api import Said, problem

OTHERS = ("whatsapp", "linkedin")
IN_ORDER = ("twitter", "whatsapp", "facebook", "linkedin")


class Looking(Standing):
    """The reading half."""

    def __init__(self) -> None:
        super().__init__()
        self._tagged: dict[Content, Said] = {}
        self._last: dict[tuple[Content, str], tuple[int, str]] = {}

    # counts

    @invariant()
    def the_exact_count_is_that_of_the_model(self) -> None:
        for content in self.model.contents:
            assert _counted(self._count(content, "?consistent=true").json) == self._wanted(content)

    @invariant()
    def a_tag_stands_for_one_count(self) -> None:
        for content in self.model.contents:
            self._count_unless_known(content)

    @rule(content=CONTENTS)
    def look_at_counts(self, content: int) -> None:
        where = self.model.contents[content]
        self._prove(where)
        self._count_many(where)

    def _prove(self, where: Content) -> None:
        """Ledger, pending and counted side by side; the plain count is what is counted."""
        proof = self._proof(where)
        assert [cell for cell in proof["cells"] if cell["drift"]] == []
        assert (proof["ledger"], proof["drift"]) == (self.model.total(where), 0)
        assert _counted(self._count(where).json) == _by_proof(proof)

    def _count_unless_known(self, where: Content) -> None:
        """304 only if what was shown then would be shown again; a change has another tag, and a higher version."""
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
        asked = {"contents": [named(each) for each in wanted]}
        said = self.stage.run(self.stage.apis[0].ask("POST", "/share-links/counts", asked))
        assert said.json["counts"] == [self._count(each).json for each in wanted]

    def _count(self, content: Content, query: str = "", **how: Any) -> Said:
        return self.stage.get(f"/share-links/count/{path_of(content)}{query}", **how)

    def _proof(self, content: Content) -> Any:
        return self.stage.get(f"/proof/{path_of(content)}").json

    def _wanted(self, content: Content) -> tuple[int, dict[str, dict[str, int]]]:
        return max(self.model.total(content), 0), self.model.breakdown(content)

    # shares

    @rule(content=CONTENTS, user=USERS, by_video=st.booleans())
    def look_at_shares(self, content: int, user: str, by_video: bool) -> None:
        where = self.model.contents[content]
        base = f"/videos/{where[1]}" if by_video and where[0] == "video" else f"/content/{path_of(where)}"
        found = self.stage.get(f"{base}/share-status", user=user).json["platforms"]
        assert [each["platform"] for each in found] == list(IN_ORDER)
        for each in found:
            self._at_last(where, each)
            assert {name: each[name] for name in each if name != "lastSharedAt"} == self._standing(where, user, each)

    def _standing(self, content: Content, user: str, shown: Mapping[str, Any]) -> dict[str, Any]:
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
        return wanted

    def _at_last(self, content: Content, shown: Mapping[str, Any]) -> None:
        """The time is there where it is shared, and moves just when somebody shares."""
        assert ("lastSharedAt" in shown) == shown["shared"]
        if not shown["shared"]:
            return
        key = (content, shown["platform"])
        times, at = self.model.shared[key], shown["lastSharedAt"]
        before = self._last.get(key, (times, at))
        assert at == before[1] if times == before[0] else self.rushed or at > before[1]
        self._last[key] = (times, at)

    # links

    @rule(place=st.integers(0, 9), content=CONTENTS, user=USERS)
    def look_at_links(self, place: int, content: int, user: str) -> None:
        self._follow(place, user)
        self._list(self.model.contents[content], user)

    def _follow(self, place: int, user: str) -> None:
        if not self.model.links:
            return
        link_id, link = sorted(self.model.links.items())[place % len(self.model.links)]
        said = self.stage.get(f"/share-links/{link_id}", user=user)
        if link.live and link.user == user:
            assert link.shown.items() <= said.json.items()
        else:
            problem(said, 404, "not-found")
        led = self.stage.get(f"/s/{link.shown['code']}", user=None)
        gone = not link.live or link.shown["expiresAt"] == PAST
        assert (led.status, led.headers.get("location")) == ((410, None) if gone else (302, link.shown["url"]))

    def _list(self, where: Content, user: str) -> None:
        links = self.model.links.values()
        own = [link for link in links if (link.content, link.user, link.live) == (where, user, True)]
        found = self.stage.get(f"/share-links?{queried(where)}", user=user)
        wanted = sorted(own, key=lambda link: str(link.shown["id"]), reverse=True)
        shown = found.json["items"]
        assert [each["id"] for each in shown] == [link.shown["id"] for link in wanted]
        assert all(link.shown.items() <= each.items() for link, each in zip(wanted, shown, strict=True))

    # the audit

    @rule(content=CONTENTS, user=USERS | st.none(), page=st.integers(1, 20))
    def look_at_the_audit(self, content: int, user: str | None, page: int) -> None:
        """All of it with the scope `audit`, else one's own."""
        where = self.model.contents[content]
        wanted = [line for line in self.model.lines(where) if user in (None, line[1])]
        found = self._audit(where, page=page, user=user or "auditor", scope="shares" if user else "audit")
        self.same_lines(found, wanted)

    def same_lines(self, found: list[Line], wanted: list[Line]) -> None:
        """In order; where some things happened at once, in any order."""
        assert Counter(found) == Counter(wanted) if self.rushed else found == wanted

    def _audit(self, content: Content, *, page: int, **how: str) -> list[Line]:
        query = f"{queried(content)}&pageSize={page}"
        found: list[Any] = []
        following: str | None = ""
        while following is not None:
            after = f"&startingAfter={following}" if following else ""
            answer = self.stage.get(f"/audit?{query}{after}", **how).json
            found += answer["items"]
            following = answer["next"]
        return [(line["action"], line["userId"], line["actor"], line["platform"], line["status"]) for line in found][
            ::-1
        ]

    # the end

    def look_at_the_end(self) -> None:
        """When everything is counted, the plain count is that of the model."""
        for content in self.model.contents:
            assert self._proof(content)["pending"] == 0
            assert _counted(self._count(content).json) == self._wanted(content)
            self.same_lines(self._audit(content, page=200, user="auditor", scope="audit"), self.model.lines(content))


def _counted(shown: Mapping[str, Any]) -> tuple[int, dict[str, dict[str, int]]]:
    return shown["shareCount"], shown["breakdown"]


def _by_proof(proof: Mapping[str, Any]) -> tuple[int, dict[str, dict[str, int]]]:
    """The count as the proof has it counted: what is to be shown, however fresh or old the cache."""
    cells: dict[str, dict[str, int]] = {"evidence": {}, "channel": {}, "campaign": {}}
    for each in proof["cells"]:
        dimension, _, value = each["cell"].partition(":")
        if dimension in cells and each["counted"] > 0:
            cells[dimension][value] = each["counted"]
    return max(proof["counted"], 0), cells
