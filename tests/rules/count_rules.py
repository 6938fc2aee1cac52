"""Events are counted, and posts tried, when the machine says so: any of them, in any order, in any batch, again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import rule

from sharetally.ports import EventRef
from tests.rules.client_requests.share import WAITS, audited
from tests.rules.machine_state import MachineState
from tests.rules.model import Key

UNABLE = "posting-unavailable"
WORKER = "sharetally"


class CountRules(MachineState):
    """The relay and the workers, in the machine's hands."""

    def __init__(self) -> None:
        super().__init__()
        self._delivered: list[EventRef] = []

    @rule(picks=st.lists(st.integers(0, 99), min_size=1, max_size=6), again=st.booleans())
    def deliver_some(self, picks: Sequence[int], again: bool) -> None:
        known = self._delivered if again else self.harness.waiting(self.model.contents)
        self.deliver([known[pick % len(known)] for pick in picks] if known else [])

    @rule()
    def deliver_all(self) -> None:
        self.deliver(self.harness.waiting(self.model.contents))

    def deliver(self, heads: Sequence[EventRef]) -> None:
        """Hand over jobs; what has been delivered may come again."""
        self.harness.deliver(heads)
        self._delivered += heads

    @rule()
    def post_all(self) -> None:
        """Every retry has one delivery; every attempt fails, because this version posts nothing."""
        posts = self.harness.posts(self.model.contents)
        assert Counter(posts.values()) == Counter(self.model.orders)
        self.harness.post()
        assert not self.harness.posts(self.model.contents)
        for key in sorted(posts.values()):
            self._tried(key)

    def _tried(self, key: Key) -> None:
        self.model.orders.remove(key)
        stands = self.model.records[key]
        if stands.status in (*WAITS, "unknown"):
            self.model.records[key] = replace(stands, status="failed", error=UNABLE)
            audited(self.model, key, "failed", actor=WORKER)
