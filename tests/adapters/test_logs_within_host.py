"""Logs inside another application: its handlers and levels stay its own, and our lines go through them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HOST = """
import json, logging, sys
from pathlib import Path
import structlog

class Kept(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append([record.name, record.levelname, record.getMessage(), record.exc_info is not None])

kept, access = Kept(), Kept()
logging.basicConfig(level=logging.INFO, handlers=[kept])
logging.getLogger("uvicorn").addHandler(access)
logging.getLogger("uvicorn").propagate = False
logging.getLogger("uvicorn").setLevel(logging.DEBUG)
{more}
from sharetally.asgi import create_app

create_app()
log = structlog.get_logger("sharetally.worker")
log.info("job", jobId="7", token="hunter2", share=100, text="50 %s")
log.debug("too quiet")
try:
    raise ValueError("broken")
except ValueError:
    log.exception("it failed")
root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn")
print(json.dumps({{
    "own": root.handlers == [kept] and root.level == logging.INFO,
    "uvicorn": uvicorn.handlers == [access] and not uvicorn.propagate and uvicorn.level == logging.DEBUG,
    "reads_info": log.is_enabled_for(logging.INFO), "reads_debug": log.is_enabled_for(logging.DEBUG),
    "lines": kept.lines,
}}))
"""


def hosted(folder: Path, more: str = "") -> dict[str, Any]:
    """What a host sees that makes our application from its environment."""
    done = subprocess.run(
        [sys.executable, "-c", HOST.format(more=more)],
        env={"PYTHONPATH": str(ROOT / "src"), "SHARETALLY_DATA_DIR": str(folder), "SHARETALLY_LOG_LEVEL": "debug"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_host_keeps_its_handlers_and_levels(tmp_path: Path) -> None:
    found = hosted(tmp_path)
    assert (found["own"], found["uvicorn"]) == (True, True)


def test_our_lines_come_through_the_handlers_of_the_host(tmp_path: Path) -> None:
    found = hosted(tmp_path)
    assert found["lines"] == [
        ["sharetally.worker", "INFO", "job jobId='7' token='***' share=100 text='50 %s'", False],
        ["sharetally.worker", "ERROR", "it failed", True],
    ]
    assert (found["reads_info"], found["reads_debug"]) == (True, False)


def test_a_host_keeps_its_own_structlog_configuration(tmp_path: Path) -> None:
    keeping = "lambda logger, name, event: (kept.lines.append([name, event['event']]), '')[1]"
    own = f"structlog.configure(processors=[{keeping}])"
    found = hosted(tmp_path, own)
    assert found["lines"] == [["info", "job"], ["debug", "too quiet"], ["error", "it failed"]]
