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
from sharetally.domain.proof import VerificationResult, VerificationRun
from sharetally.flow.retry import retry_transaction
from sharetally.ports import ProofStore, VerificationRunStore

LEASE_SECONDS = 60.0  # how long others wait for a process that died over a look
log = structlog.get_logger("sharetally.verify")


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationReport:
    """What a look found, as it was noted, and the cells that are off."""

    run: VerificationRun
    result: VerificationResult


class VerificationRunner:
    """Takes looks in a task of its own, `run`."""

    def __init__(self, *, proof: ProofStore, runs: VerificationRunStore) -> None:
        self._proof = proof
        self._runs = runs
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[VerificationReport]] = []

    async def verify(self) -> VerificationReport:
        """What a look finds that ends after this call began; `Conflict` while another process looks."""
        future: asyncio.Future[VerificationReport] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wanted.set()
        return await future

    async def last_run(self) -> VerificationRun | None:
        """The last look of any process."""
        return await self._runs.last()

    async def run(self) -> None:
        """Look whenever somebody waits, until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                await self._serve_waiting()
        finally:
            self._resolve(Unavailable("the service ends"))

    async def _serve_waiting(self) -> None:
        try:
            outcome: VerificationReport | Exception = await self._verify()
        except SharetallyError as error:
            outcome = error
        except Exception as error:  # who waits is told, and the next one gets a look of their own
            log.exception("verification_failed")
            outcome = error
        self._resolve(outcome)

    def _resolve(self, outcome: VerificationReport | Exception) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if future.done():
                continue
            if isinstance(outcome, VerificationReport):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

    async def _verify(self) -> VerificationReport:
        if not await retry_transaction(lambda: self._runs.extend_lease(LEASE_SECONDS)):
            raise Conflict("another process looks just now; GET /operation/status will have what it finds")
        lease = asyncio.create_task(self._extend_lease())
        try:
            return await verify_all(self._proof, self._runs)
        finally:
            lease.cancel()
            with suppress(SharetallyError):  # then it ends by itself
                await self._runs.extend_lease(0, renew=True)

    async def _extend_lease(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 4)
            try:
                await self._runs.extend_lease(LEASE_SECONDS, renew=True)
            except SharetallyError:
                continue
            except Exception:
                log.exception("verification_hold_failed")


async def verify_all(proof: ProofStore, runs: VerificationRunStore) -> VerificationReport:
    """Look at everything, and note what was found."""
    began = time.monotonic()
    result = await proof.verify(None, lambda _: None)
    seconds = time.monotonic() - began
    return VerificationReport(run=await retry_transaction(lambda: runs.record(result, seconds)), result=result)
