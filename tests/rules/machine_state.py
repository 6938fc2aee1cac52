"""The state that all rules share: the service, the model, and whether the order of some requests is unknown."""

from __future__ import annotations

from secrets import token_hex
from typing import ClassVar

from hypothesis.stateful import RuleBasedStateMachine

from tests.rules.harness import ServiceHarness
from tests.rules.model import Model


class MachineState(RuleBasedStateMachine):
    """`harness` is set before the machine runs. `order_unknown`: some things happened in an unknown order."""

    harness: ClassVar[ServiceHarness]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(name=token_hex(4))
        self.order_unknown = False
