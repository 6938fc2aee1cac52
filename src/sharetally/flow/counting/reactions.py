"""Reactions: the events that follow from counted events.

While a batch is counted, each enabled reaction is shown what was counted and returns follow-up events. The
transaction that counts writes them, so they exist if and only if the shares were counted. Each has a queue and
a consumer of its own, where slow work belongs.

A reaction cannot harm counting: one that raises, returns what the rules do not allow, or returns what the database
refuses is switched off until the process is restarted. The batch is committed without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from sharetally.domain.content import ContentRef
from sharetally.domain.errors import TransientConflict, Unavailable
from sharetally.domain.event import COUNTED, Event
from sharetally.ports import Meter, Total, Transaction

log = structlog.get_logger("sharetally.reactions")


class Reaction(Protocol):
    """Decides what follows a counted event. A plug-in registers one in the entry point group `sharetally.reactions`."""

    @property
    def name(self) -> str:
        """Its name in the log and in metrics."""
        ...

    @property
    def jobs(self) -> tuple[str, ...]:
        """The jobs of the events that it returns; a consumer must own each of them."""
        ...

    def react(self, counted: Sequence[Event], totals: Mapping[ContentRef, Total]) -> Sequence[Event]:
        """Return the events that follow from these; `totals` holds the new total of each of their content items.

        A pure function: it may be called again for the same events. It may return at most one event per counted event
        and job. Follow-up events move no count.
        """
        ...


class Reactions:
    """The reactions of one process that are still enabled."""

    def __init__(self, reactions: Sequence[Reaction] = (), *, meter: Meter) -> None:
        self.enabled = list(reactions)  # while there are none, counting needs no single events
        self._meter = meter

    async def write(
        self, tx: Transaction, counted: Sequence[Event], totals: Mapping[ContentRef, Total]
    ) -> Sequence[Event]:
        """Write what follows in the transaction that counts, and return it.

        Raises only `TransientConflict` and `Unavailable` of the database.
        """
        written: list[Event] = []
        for reaction in tuple(self.enabled):
            try:
                follow_ups = reaction.react(counted, totals)
                check_follow_ups(reaction, counted, follow_ups)
            except Exception as error:
                self._switch_off(reaction, error)
                continue
            if not follow_ups:
                continue
            try:
                async with tx.savepoint():  # so that what one reaction returned can fail alone
                    await tx.emit(follow_ups)
            except (TransientConflict, Unavailable):
                raise
            except Exception as error:
                self._switch_off(reaction, error)
            else:
                written += follow_ups
        return written

    def _switch_off(self, reaction: Reaction, error: Exception) -> None:
        self.enabled.remove(reaction)
        self._meter.reaction_error(reaction.name)
        log.error("reaction switched off", reaction=reaction.name, reason=str(error), exc_info=error)


def check_follow_ups(reaction: Reaction, counted: Sequence[Event], follow_ups: Sequence[Event]) -> None:
    """Raise `ValueError` for follow-up events that a reaction must not return."""
    limits = Counter(event.content for event in counted)
    for (job, content), number in Counter((event.job, event.content) for event in follow_ups).items():
        if job not in reaction.jobs or job in COUNTED:
            raise ValueError(f"returned an event of the job {job}; its jobs are {', '.join(reaction.jobs)}")
        if number > limits[content]:
            raise ValueError(
                f"returned {number} events of the job {job} on {content.type}/{content.id}, "
                f"where {limits[content]} were counted: at most one may follow each counted event"
            )
    if any(event.delta or event.cell_delta for event in follow_ups):
        raise ValueError("returned an event that moves a count")
    if len({event.id for event in follow_ups}) < len(follow_ups):
        raise ValueError("returned two events with the same id")
