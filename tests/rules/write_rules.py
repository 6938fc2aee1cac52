"""Writes, one by one or several at once.

Simultaneous requests must be answered as if they had been sent in some order: the test searches for one in which the
model promises exactly these answers.
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
from tests.rules.client_requests.client_request import (
    CONTENTS,
    KEYS,
    PLATFORMS,
    USERS,
    ExpectedResponse,
    Operation,
    expected_response,
    request_for,
)
from tests.rules.client_requests.correct import corrections
from tests.rules.client_requests.link import creations, deletions, patches
from tests.rules.client_requests.share import FAILED, Retry, Share, Withdraw, retries, shares, withdrawals
from tests.rules.machine_state import MachineState
from tests.rules.model import Model, Record, Request
from tests.web.api import HttpResponse

MAX_CONCURRENT = 4  # 24 orders
_any_operation = st.one_of(shares, withdrawals, retries, creations, patches, deletions, corrections)
_duplicates = st.tuples(_any_operation, st.integers(2, MAX_CONCURRENT)).map(lambda drawn: [drawn[0]] * drawn[1])
_one_record = {"user": st.just("anna"), "content": st.just(0)}
_same_record = st.lists(
    st.builds(Share, platforms=st.just(["twitter"]), force=st.booleans(), **_one_record)
    | st.builds(Withdraw, platform=st.just("twitter"), **_one_record),
    min_size=2,
    max_size=MAX_CONCURRENT,
)
_concurrent = _duplicates | _same_record | st.lists(_any_operation, min_size=2, max_size=MAX_CONCURRENT)
_posted_statuses = st.sampled_from([*Status, Status.FAILED, Status.UNKNOWN])


class WriteRules(MachineState):
    """Everything that a caller may write."""

    @initialize(operations=st.lists(_any_operation, min_size=5, max_size=15))
    def begin(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            self.check_write(operation)

    @rule(operation=_any_operation)
    def write(self, operation: Operation) -> None:
        self.check_write(operation)

    @rule(place=st.integers(0, 9))
    def repeat_under_its_key(self, place: int) -> None:
        """The answer is the first one, whatever the state is now."""
        if self.model.answers:
            request, answer = list(self.model.answers.values())[place % len(self.model.answers)]
            response = self.harness.request(request)
            assert ExpectedResponse(status=answer.status, exact_response=answer).matches(response), (
                request,
                answer,
                response,
            )

    @rule(place=st.integers(0, 9), key=KEYS, by_video=st.booleans())
    def retry_what_failed(self, place: int, key: str | None, by_video: bool) -> None:
        failed = sorted(key for key, stands in self.model.records.items() if stands.status in FAILED)
        if failed:
            where, platform, user = failed[place % len(failed)]
            content = self.model.contents.index(where)
            self.check_write(Retry(user=user, key=key, content=content, by_video=by_video, platform=platform))

    def check_write(self, operation: Operation) -> None:
        """Send the request, and compare the answer with what is promised."""
        request = request_for(operation, self.model)
        if request is not None:
            response = self.harness.request(request)
            expected = expected_response(operation, request, self.model, response)
            assert expected.matches(response), (request, expected, response)

    @rule(operations=_concurrent)
    def several_at_once(self, operations: Sequence[Operation]) -> None:
        asked = [(operation, request) for operation in operations if (request := request_for(operation, self.model))]
        answers = self.harness.request_concurrently([request for _, request in asked])
        together = [
            (operation, request, response) for (operation, request), response in zip(asked, answers, strict=True)
        ]
        found = (_model_after(self.model, order) for order in permutations(together))
        explained = next((model for model in found if model), None)
        assert explained is not None, together
        self.model, self.order_unknown = explained, True

    @rule(user=USERS, content=CONTENTS, platform=PLATFORMS, status=_posted_statuses)
    def posted(self, user: str, content: int, platform: str, status: Status) -> None:
        """What only posting leaves behind, which no request of this version begins."""
        where = self.model.contents[content]
        if (where, platform, user) in self.model.records:
            return
        now = self.harness.now()
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
        self.harness.store(stored)
        self.model.records[where, platform, user] = Record(status=status.value, evidence="posted", attempts=1)
        self.model.shared[where, platform] += live


def _model_after(before: Model, order: Sequence[tuple[Operation, Request, HttpResponse]]) -> Model | None:
    """The model after all that, unless it would have promised another answer."""
    model = deepcopy(before)
    kept = all(
        expected_response(operation, request, model, response).matches(response)
        for operation, request, response in order
    )
    return model if kept else None
