"""wrk, the cheapest HTTP client there is, because it shares the machine with what it measures.

It uses one thread and a Lua script that only builds strings. An error, or a missing answer, fails the run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.programs import LoadFailed, run_program

HERE = Path(__file__).parent
CLIENTS = 256


@dataclass(frozen=True, kw_only=True)
class Load:
    """What wrk measured: how many answers, in how many seconds."""

    answers: int
    seconds: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds


async def wrk(port: int, script: str, *arguments: str, seconds: int, clients: int = CLIENTS) -> Load:
    """Send requests as fast as answers arrive, with `load/SCRIPT.lua`; `arguments` are the script's."""
    out = await run_program(
        "wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "20s",
        "-s", str(HERE / f"{script}.lua"), f"http://127.0.0.1:{port}", "--", *arguments,
    )  # fmt: skip
    return parse_output(out)


def parse_output(out: str) -> Load:
    """What wrk reported."""
    if re.search(r"Non-2xx|Socket errors", out):
        raise LoadFailed(f"wrk met errors: {' '.join(out.split())[-300:]}")
    match = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)\b", out)
    if match is None or match[1] == "0":
        raise LoadFailed(f"wrk got no answer: {' '.join(out.split())[-300:]}")
    return Load(answers=int(match[1]), seconds=float(match[2]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[match[3]])
