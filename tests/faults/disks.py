"""A small disk of one's own, to be filled and freed: a file system in memory, mounted by root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1024 * 1024


class Disk:
    """The disk mounted at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, spare: int) -> None:
        """Leave only so many bytes."""
        with self._filler.open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(self.path).free - spare)

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink()


@contextmanager
def small_disk(mebibytes: int) -> Iterator[Disk]:
    """An empty disk of this size; until it is removed, `tempfile` creates its files on it."""
    path = Path(tempfile.mkdtemp(prefix="sharetally-disk-"))
    before = tempfile.tempdir
    size = f"size={mebibytes}m,mode=1777"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(path)], check=True, capture_output=True)
    tempfile.tempdir = str(path)
    try:
        yield Disk(path)
    finally:
        tempfile.tempdir = before
        subprocess.run(["umount", str(path)], check=True)
        path.rmdir()
