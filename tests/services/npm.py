"""Packages of npm that tests look at, by the versions and hashes of a `package-lock.json`.

They are fetched once and stay in the environment of the tests until the lock says otherwise.
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
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.services.server import install


@dataclass(frozen=True, kw_only=True)
class NodeVersion:
    """A Node with its headers, below the folder `root`, and its npm."""

    root: Path
    npm_script: Path

    @classmethod
    def of_machine(cls) -> NodeVersion:
        """The machine's own, which is installed if it is missing."""
        if shutil.which("npm") is None:
            install("npm")
        node, npm = shutil.which("node"), shutil.which("npm")
        assert node is not None, "npm brings it"
        assert npm is not None
        return cls(root=Path(node).resolve().parent.parent, npm_script=Path(npm).resolve())

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
        assert done.returncode == 0, done.stderr[-2000:]


def install_npm_packages(place: Path, *, compiled: Sequence[str] = (), node: NodeVersion | None = None) -> Path:
    """The folder `node_modules` that the lock in this folder describes; `compiled` are packages with code in C++."""
    lock = (place / "package-lock.json").read_bytes()
    kept = Path(sys.prefix, "npm", f"{place.name}-{sha256(lock).hexdigest()[:16]}")
    if not (kept / "node_modules").exists():
        _fetch(place, kept, compiled, node or NodeVersion.of_machine())
    return kept / "node_modules"


def _fetch(place: Path, kept: Path, compiled: Sequence[str], node: NodeVersion) -> None:
    """Completely or not at all, even if another process fetches it at the same time."""
    kept.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=kept.parent) as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(place / name, folder)
        fetch = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
        node.npm(folder, *fetch, seconds=120 if not compiled else 600)
        if compiled:
            # from their sources: what is built elsewhere lies outside the registry, and no hash of ours covers it
            node.npm(folder, "rebuild", "--build-from-source", *compiled, seconds=900)
        with suppress(OSError):  # somebody was first
            Path(folder).rename(kept)
