"""Writes, one by one or several at once.

What is asked at once must be answered as if it had been asked in some order: one is searched for in which the model
promises just these answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import permutations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from sharetally.domain.content import ContentRef
from sharetally.domain.share import Evidence, Status
from tests.contracts.database_rows import record
from tests.rules.model import Model, Record, Request
from tests.rules.standing import Standing
from tests.rules.wishes.correct import corrections
from tests.rules.wishes.link import creations, deletions, patches
from tests.rules.wishes.share import FAILED, Retry, Share, Withdraw, retries, shares, withdrawals
from tests.rules.wishes.wish import CONTENTS, KEYS, PLATFORMS, USERS, Promise, Wish, sent, told
from tests.web.api import Said

AT_ONCE = 4  # 24 orders
_all = st.one_of(shares, withdrawals, retries, creations, patches, deletions, corrections)
_twins = st.tuples(_all, st.integers(2, AT_ONCE)).map(lambda drawn: [drawn[0]] * drawn[1])
_one = {"user": st.just("anna"), "content": st.just(0)}
_on_one = st.lists(
    st.builds(Share, platforms=st.just(["twitter"]), force=st.booleans(), **_one)
    | st.builds(Withdraw, platform=st.just("twitter"), **_one),
    min_size=2,
    max_size=AT_ONCE,
)
_several = _twins | _on_one | st.lists(_all, min_size=2, max_size=AT_ONCE)
_left = st.sampled_from([*Status, Status.FAILED, Status.UNKNOWN])


class Asking(Standing):
    """Everything that a caller may write."""

    @initialize(wishes=st.lists(_all, min_size=5, max_size=15))
    def begin(self, wishes: Sequence[Wish]) -> None:
        for wish in wishes:
            self.tell(wish)

    @rule(wish=_all)
    def write(self, wish: Wish) -> None:
        self.tell(wish)

    @rule(place=st.integers(0, 9))
    def repeat_under_its_key(self, place: int) -> None:
        """The answer is the one of then, whatever stands now."""
        if self.model.answers:
            request, answer = list(self.model.answers.values())[place % len(self.model.answers)]
            said = self.stage.ask(request)
            assert Promise(status=answer.status, exactly=answer).kept(said), (request, answer, said)

    @rule(place=st.integers(0, 9), key=KEYS, by_video=st.booleans())
    def retry_what_failed(self, place: int, key: str | None, by_video: bool) -> None:
        failed = sorted(key for key, stands in self.model.records.items() if stands.status in FAILED)
        if failed:
            where, platform, user = failed[place % len(failed)]
            content = self.model.contents.index(where)
            self.tell(Retry(user=user, key=key, content=content, by_video=by_video, platform=platform))

    def tell(self, wish: Wish) -> None:
        """Ask, and hold the answer against what is promised."""
        request = sent(wish, self.model)
        if request is not None:
            said = self.stage.ask(request)
            promise = told(wish, request, self.model, said)
            assert promise.kept(said), (request, promise, said)

    @rule(wishes=_several)
    def several_at_once(self, wishes: Sequence[Wish]) -> None:
        asked = [(wish, request) for wish in wishes if (request := sent(wish, self.model))]
        answers = self.stage.ask_at_once([request for _, request in asked])
        together = [(wish, request, said) for (wish, request), said in zip(asked, answers, strict=True)]
        found = (_in_this_order(self.model, order) for order in permutations(together))
        explained = next((model for model in found if model), None)
        assert explained is not None, together
        self.model, self.rushed = explained, True

    @rule(user=USERS, content=CONTENTS, platform=PLATFORMS, status=_left)
    def posted(self, user: str, content: int, platform: str, status: Status) -> None:
        """What only posting leaves behind, which no request of this version begins."""
        where = self.model.contents[content]
        if (where, platform, user) in self.model.records:
            return
        now = self.stage.now()
        live = status is Status.SUCCESS
        stored = record(
            content=ContentRef(type=where[0], id=where[1]),
            platform=platform,
            user_id=user,
            status=status,
            evidence=Evidence.POSTED,
            first_shared_at=now if live else None,
            last_shared_at=now if live else None,
        )
        self.stage.store(stored)
        self.model.records[where, platform, user] = Record(status=status.value, evidence="posted", attempts=1)
        self.model.shared[where, platform] += live


def _in_this_order(before: Model, order: Sequence[tuple[Wish, Request, Said]]) -> Model | None:
    """The model after all that, unless it would have promised another answer."""
    model = deepcopy(before)
    kept = all(told(wish, request, model, said).kept(said) for wish, request, said in order)
    return model if kept else None
