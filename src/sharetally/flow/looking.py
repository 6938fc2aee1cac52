"""A look at everything, as `sharetally verify` takes it, for whoever asks the service: one at a time.

Who asks while a look goes on in this process waits for that one. While it goes on in another process nobody
waits: its outcome is noted, and all processes read it. A look goes on when nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import structlog

from sharetally.domain.errors import Conflict, SharetallyError, Unavailable
from sharetally.domain.proof import Look, Verdict
from sharetally.flow.again import again
from sharetally.ports import Proving

HELD_SECONDS = 60.0  # how long others wait for a process that died over a look
log = structlog.get_logger("sharetally.verify")


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a look found, as it was noted, and the cells that are off."""

    look: Look
    verdict: Verdict


class Looking:
    """Takes looks in a task of its own, `run`."""

    def __init__(self, proving: Proving) -> None:
        self._proving = proving
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[Report]] = []

    async def look(self) -> Report:
        """What a look finds that ends after this call began; `Conflict` while another process looks."""
        answer: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._wanted.set()
        return await answer

    async def last(self) -> Look | None:
        """The last look of any process."""
        return await self._proving.last_look()

    async def run(self) -> None:
        """Look whenever somebody waits, until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                await self._answer()
        finally:
            self._tell(Unavailable("the service ends"))

    async def _answer(self) -> None:
        try:
            found: Report | Exception = await self._look()
        except SharetallyError as error:
            found = error
        except Exception as error:  # who waits is told, and the next one gets a look of their own
            log.exception("verification_failed")
            found = error
        self._tell(found)

    def _tell(self, found: Report | Exception) -> None:
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            if answer.done():
                continue
            if isinstance(found, Report):
                answer.set_result(found)
            else:
                answer.set_exception(found)

    async def _look(self) -> Report:
        if not await again(lambda: self._proving.begin_look(HELD_SECONDS)):
            raise Conflict("another process looks just now; GET /operation/status will have what it finds")
        holding = asyncio.create_task(self._hold())
        try:
            return await looked(self._proving)
        finally:
            holding.cancel()
            with suppress(SharetallyError):  # then it ends by itself
                await self._proving.begin_look(0, again=True)

    async def _hold(self) -> None:
        while True:
            await asyncio.sleep(HELD_SECONDS / 4)
            try:
                await self._proving.begin_look(HELD_SECONDS, again=True)
            except SharetallyError:
                continue
            except Exception:
                log.exception("verification_hold_failed")


async def looked(proving: Proving) -> Report:
    """Look at everything, and note what was found."""
    began = time.monotonic()
    verdict = await proving.verify(None, lambda _: None)
    seconds = time.monotonic() - began
    return Report(look=await again(lambda: proving.note_look(verdict, seconds)), verdict=verdict)
