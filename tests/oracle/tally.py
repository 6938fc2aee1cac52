"""What happened in a load: how many of each request, which answers, and what was wrong with them.

All clients share one. Every attempt is a line of the journal (JSON Lines), written before it is judged, so that the
request and the answer can be found by the request id of a fault.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.oracle.client import Response
from tests.oracle.client_requests.client_request import Operation, WriteOperation

KEPT = 30  # faults that are described in full


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A write for which it is unknown whether it happened."""

    operation: WriteOperation
    request_id: str
    reason: str


@dataclass(slots=True)
class Tally:
    """Counts by request and by outcome; `unexpected` holds the first faults, `faults` how many there were."""

    operations: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    unexpected: list[str] = field(default_factory=list)
    uncertain: list[Uncertain] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def join(self, other: Tally) -> None:
        """Take over what another process saw."""
        self.operations += other.operations
        self.outcomes += other.outcomes
        self.faults += other.faults
        self.unexpected = [*self.unexpected, *other.unexpected][:KEPT]
        self.uncertain += other.uncertain
        self.latencies += other.latencies

    def fault(self, operation: Operation, request_id: str, text: str) -> None:
        """An answer outside the contract."""
        self.faults += 1
        if len(self.unexpected) < KEPT:
            self.unexpected.append(f"{request_id}, {operation}: {text}")


class Journal:
    """The clients' own log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def write(self, request_id: str, operation: Operation, key: str | None, response: Response | Exception) -> None:
        """One attempt and how it ended."""
        ended = f"{response.status} {response.body.decode()}" if isinstance(response, Response) else repr(response)
        line = [
            round(time.time(), 4),
            request_id,
            key,
            operation.user,
            operation.method,
            operation.target,
            operation.body,
            ended,
        ]
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
