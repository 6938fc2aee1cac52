"""Roles that die at a fail point, are started again, and die again: so often that it cannot have been luck.

The places are those of `sharetally.adapters.failpoints`; a role is armed by its environment, and only that role.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping

from tests.faults.waiting import wait_until
from tests.oracle.process import Role
from tests.oracle.system import System

FAILPOINT = "FAILPOINT"
TIMEOUT = 90.0  # seconds


def failpoint_settings(role: str, place: str, number: int, act: str = "") -> Mapping[str, Mapping[str, str]]:
    """For `each` of a shape: this role dies when it reaches the place that many times; with `:stop` it pauses."""
    return {role: {FAILPOINT: f"{place}:{number}{act}"}}


async def wait_for_death(role: Role, *, max_seconds: float = 60.0) -> None:
    """Wait until it has killed itself."""
    code = await role.wait_for_exit(max_seconds)
    assert code == -signal.SIGKILL, f"{role.name} ended with {code}; see {role.log}"


async def restart_until_death(role: Role, place: str, number: int, *, max_seconds: float = 60.0) -> None:
    """Start the role with the failpoint armed, and wait until it has killed itself."""
    role.set(FAILPOINT, f"{place}:{number}")
    await role.start()
    await wait_for_death(role, max_seconds=max_seconds)


async def restart_disarmed(system: System, role: Role) -> None:
    """Start the role without a failpoint."""
    role.set(FAILPOINT, None)
    await system.start(role)


def count_deaths(role: Role) -> int:
    """How often it has killed itself, by its log."""
    return role.log.read_text(errors="replace").count(": SIGKILL")


async def kill_and_arm(role: Role, place: str, number: int) -> None:
    """Kill the role and start it with the failpoint armed."""
    await role.kill()
    role.set(FAILPOINT, f"{place}:{number}")
    await role.start()


async def wait_for_deaths(role: Role, times: int) -> None:
    """Wait until processes of a role that replaces them have killed themselves so often in all."""

    async def have_died() -> bool:
        return count_deaths(role) >= times

    await wait_until(f"{times} deaths; see {role.log}", have_died, max_seconds=TIMEOUT)


async def wait_until_stopped(role: Role) -> None:
    """Wait until it has stopped itself."""

    async def stopped() -> bool:
        return ": SIGSTOP" in role.log.read_text(errors="replace")

    await wait_until(f"{role.name} stopped; see {role.log}", stopped, max_seconds=TIMEOUT)
