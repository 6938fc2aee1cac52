"""The schema that asyncapi.com publishes, from its package; versions and hashes stand in `package-lock.json`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.services.server import install

HERE = Path(__file__).parent
PACKAGE = Path("node_modules", "@asyncapi", "specs", "schemas", "3.0.0-without-$id.json")


def schema(folder: Path) -> Any:
    """The JSON Schema of AsyncAPI 3.0.0 documents, fetched into this folder."""
    if shutil.which("npm") is None:
        install("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / PACKAGE).read_text("utf-8"))
