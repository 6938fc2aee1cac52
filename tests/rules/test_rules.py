"""Any requests, counting and checks in any order: the service agrees with the model, and nothing drifts.

The rounds are the same in every run, so that a failure is due to the change that was made;
`SHARETALLY_TEST_RULES=N` runs N different rounds each time and prints the seed of a failure.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from secrets import randbits

from tests.rules.harness import ServiceHarness
from tests.rules.machine import ROUND, run

ROUNDS = 2


def seeds() -> Sequence[int]:
    asked = os.environ.get("SHARETALLY_TEST_RULES")
    return [randbits(32) for _ in range(int(asked))] if asked else range(ROUNDS)


def test_the_service_behaves_like_the_model(harness: ServiceHarness) -> None:
    rounds = seeds()
    ended = run(harness, rounds, shorten="SHARETALLY_TEST_RULES" in os.environ)
    assert ended == len(rounds) * ROUND
    verdict = harness.settle()
    assert verdict.drifted == ()
    assert verdict.content_items > ended
