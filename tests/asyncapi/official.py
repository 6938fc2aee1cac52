"""The schema that asyncapi.com publishes, from its package; versions and hashes stand in `package-lock.json`.

It is fetched once and stays in the environment of the tests until the lock says otherwise.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.services.server import install

HERE = Path(__file__).parent
PACKAGE = Path("node_modules", "@asyncapi", "specs", "schemas", "3.0.0-without-$id.json")


def schema() -> Any:
    """The JSON Schema of AsyncAPI 3.0.0 documents."""
    lock = (HERE / "package-lock.json").read_bytes()
    kept = Path(sys.prefix, "npm", f"asyncapi-{sha256(lock).hexdigest()[:16]}")
    if not (kept / PACKAGE).exists():
        _fetch(kept)
    return json.loads((kept / PACKAGE).read_text("utf-8"))


def _fetch(kept: Path) -> None:
    """Whole or not at all, whoever else fetches it at the same time."""
    if shutil.which("npm") is None:
        install("npm")
    kept.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=kept.parent) as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        with suppress(OSError):  # somebody was first
            Path(folder).rename(kept)
