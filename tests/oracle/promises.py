"""What a load was promised, in however many processes it ran: everything that the judge needs to know."""

from __future__ import annotations

from tests.oracle.client import Response
from tests.oracle.expected import Expected
from tests.oracle.system import System
from tests.oracle.tally import Tally


class Promises:
    """The state that is expected at the end (`expected`), and what happened during the load (`tally`)."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.expected = Expected()
        self.tally = Tally()
        self.user_token = system.token()
        self.admin_token = system.token("shares admin")

    def token(self, user: str) -> str:
        """A credential for this user, with the scope that they need."""
        return (self.admin_token if user.startswith("admin-") else self.user_token)(user)

    def record_responses(self, name: str, *responses: Response) -> None:
        """Answers to requests made by hand, under this name."""
        self.tally.operations[name] += len(responses)
        self.tally.outcomes.update(str(response.status) for response in responses)

    def join(self, expected: Expected, tally: Tally) -> None:
        """Take over what others were promised."""
        self.expected.join(expected)
        self.tally.join(tally)
