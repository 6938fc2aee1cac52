"""Verification runs on request: `sharetally verify` for callers of the service, one run at a time.

Callers that arrive during a run in this process wait for the result of that run. While another process is running
one, nobody waits: the result is stored, and every process can read it. A run continues even if all its callers have
gone.
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

LEASE_SECONDS = 60.0  # after a process has died during a run, others can begin one this much later
log = structlog.get_logger("sharetally.verify")


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationReport:
    """The run as it was stored, and its result with the cells that have drift."""

    run: VerificationRun
    result: VerificationResult


class VerificationRunner:
    """Performs verification runs in its own task, `run`."""

    def __init__(self, *, proof: ProofStore, runs: VerificationRunStore) -> None:
        self._proof = proof
        self._runs = runs
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[VerificationReport]] = []

    async def verify(self) -> VerificationReport:
        """The report of a run that ends after this call began; `Conflict` while another process is verifying."""
        future: asyncio.Future[VerificationReport] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wanted.set()
        return await future

    async def last_run(self) -> VerificationRun | None:
        """The last verification run of any process."""
        return await self._runs.last()

    async def run(self) -> None:
        """Perform a verification run whenever a caller waits for one, until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                try:
                    outcome: VerificationReport | Exception = await self._verify()
                except SharetallyError as error:
                    outcome = error
                except Exception as error:  # it is passed to those who wait, and the next caller gets a new run
                    log.exception("verification_failed")
                    outcome = error
                self._resolve(outcome)
        finally:
            self._resolve(Unavailable("the service is shutting down"))

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
            raise Conflict("another process is verifying; GET /operation/status will show its result")
        lease = asyncio.create_task(self._extend_lease())
        try:
            return await verify_all(self._proof, self._runs)
        finally:
            lease.cancel()
            with suppress(SharetallyError):  # the lease then expires by itself
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
    """Verify every content item and store the run."""
    began = time.monotonic()
    result = await proof.verify(None, lambda _: None)
    seconds = time.monotonic() - began
    return VerificationReport(run=await retry_transaction(lambda: runs.record(result, seconds)), result=result)
