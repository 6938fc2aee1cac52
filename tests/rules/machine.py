"""The machine: all rules together, how a run ends, and how it is run again and again."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.rules.count_rules import CountRules
from tests.rules.harness import ServiceHarness
from tests.rules.read_rules import ReadRules
from tests.rules.write_rules import WriteRules

STEPS = 40  # in a run, after what it begins with
ROUND = 10  # runs from one seed; from the eleventh on they would be variations of earlier ones
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


class Machine(WriteRules, CountRules, ReadRules):
    """One run: its own content items, any steps in any order, and at the end everything is counted."""

    ended: ClassVar[int] = 0

    def teardown(self) -> None:
        """A run that found something is not looked at any further."""
        if sys.exc_info()[0] is None:
            self.deliver(self.harness.waiting(self.model.contents)[::-1])
            self.post_all()
            self.check_final_counts()
            type(self).ended += 1


def run(harness: ServiceHarness, seeds: Iterable[int], *, shorten: bool = False) -> int:
    """One round for each seed; returns how many runs ended. With `shorten`, a failure is reduced to few steps."""
    machine: type[Machine] = type("Machine", (Machine,), {"harness": harness, "ended": 0})
    for number in seeds:
        try:
            run_state_machine_as_test(seed(number)(machine), settings=_settings(shorten))
        except BaseException as error:
            error.add_note(f"seed {number}")
            raise
    return machine.ended


def _settings(shorten: bool) -> settings:
    return settings(
        max_examples=ROUND,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink] if shorten else [Phase.generate],
        suppress_health_check=SLOW,
    )
