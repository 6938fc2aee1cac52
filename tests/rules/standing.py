"""What all rules stand on: the service, the model, and what was seen."""

from __future__ import annotations

from secrets import token_hex
from typing import ClassVar

from hypothesis.stateful import RuleBasedStateMachine

from tests.rules.model import Model
from tests.rules.stage import Stage


class Standing(RuleBasedStateMachine):
    """`stage` is set by whoever runs the machine. `rushed`: the order in which some things happened is not known."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(name=token_hex(4))
        self.rushed = False
