"""Packages of npm that tests look at, by the versions and hashes of a `package-lock.json`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from examples.posting_demo.npm import NodeVersion, install_packages, installed_packages
from tests.services.server import install


def node_of_machine() -> NodeVersion:
    """The machine's own, which is installed if it is missing."""
    if shutil.which("npm") is None:
        install("npm")
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node is not None, "npm brings it"
    assert npm is not None
    return NodeVersion(root=Path(node).resolve().parent.parent, npm_script=Path(npm).resolve())


def install_npm_packages(place: Path, *, compiled: Sequence[str] = (), node: NodeVersion | None = None) -> Path:
    """The folder `node_modules` that the lock in this folder describes; `compiled` are packages with code in C++."""
    found = installed_packages(place)
    return found if found.exists() else install_packages(place, node or node_of_machine(), compiled=compiled)
