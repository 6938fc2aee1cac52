"""Python programs that tests start, in environments of their own, by the versions and hashes of `requirements.txt`.

Our own environment never contains them. They are fetched once and stay beside it until the lock says otherwise.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.services.server import Unavailable

SECONDS = 600.0
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def install_environment(place: Path) -> Path:
    """The Python of an environment with what the lock in this folder names; `Unavailable` if it cannot be fetched."""
    lock = place / "requirements.txt"
    kept = Path(sys.prefix, "environments", f"{place.name}-{sha256(lock.read_bytes()).hexdigest()[:16]}")
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=kept.parent) as folder:  # completely or not at all, also if two want it at once
            venv.create(folder, symlinks=True)
            command = [*PIP, "--python", f"{folder}/bin/python", "install", "--require-hashes", "-r", str(lock)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
            if done.returncode != 0:
                raise Unavailable(f"{place.name} cannot be installed: {done.stderr.strip()[-300:]}")
            with suppress(OSError):  # somebody was first
                Path(folder).rename(kept)
    return kept / "bin" / "python"
