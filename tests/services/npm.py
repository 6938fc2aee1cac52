"""Packages of npm that tests look at, by the versions and hashes of a `package-lock.json`.

They are fetched once and stay in the environment of the tests until the lock says otherwise.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.services.server import install


def install_npm_packages(place: Path) -> Path:
    """The folder `node_modules` that the lock in this folder describes."""
    lock = (place / "package-lock.json").read_bytes()
    kept = Path(sys.prefix, "npm", f"{place.name}-{sha256(lock).hexdigest()[:16]}")
    if not (kept / "node_modules").exists():
        _fetch(place, kept)
    return kept / "node_modules"


def _fetch(place: Path, kept: Path) -> None:
    """Completely or not at all, even if another process fetches it at the same time."""
    if shutil.which("npm") is None:
        install("npm")
    kept.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=kept.parent) as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(place / name, folder)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        with suppress(OSError):  # somebody was first
            Path(folder).rename(kept)
