"""A package that is installed beside the service: nothing but its entry points, which name objects of the tests."""

from __future__ import annotations

from pathlib import Path


def install_entry_points(folder: Path, name: str, **groups: str) -> Path:
    """Install `name`; `groups` are those of `sharetally`, each with one object. The path at which Python finds it."""
    about = folder / "packages" / f"{name}_for_tests-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-for-tests\nVersion: 1.0\n")
    lines = [f"[sharetally.{group}]\n{name} = {found}\n" for group, found in groups.items()]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return about.parent
