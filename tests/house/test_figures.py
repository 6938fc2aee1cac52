"""The figures of the source stay within their bounds.

The targets are 12 frames from HTTP to SQL, 25 files and 3,500 lines from POST to count, and less than 10 % of functions
that are private and referenced once. Where a target is not reached yet, the bound is the value that was reached: it may
be lowered, and never raised.
"""

from __future__ import annotations

import re

import pytest

import sharetally
from tests.house.figures import SOURCE, Figures, measure

FRAMES = 12
FILES = 46
LINES = 6_210
SINGLE_USE = 0.19


@pytest.fixture(scope="module")
def figures() -> Figures:
    return measure()


def test_few_frames_lead_from_a_request_to_sql(figures: Figures) -> None:
    """The target, 12, is reached."""
    assert figures.frames <= FRAMES


def test_a_share_runs_through_few_files(figures: Figures) -> None:
    """Target: 25 files with 3,500 lines."""
    found = f"{len(figures.journey_files)} files, {figures.journey_lines} lines: {', '.join(figures.journey_files)}"
    assert len(figures.journey_files) <= FILES, found
    assert figures.journey_lines <= LINES, found


def test_few_functions_are_private_and_referenced_once(figures: Figures) -> None:
    """Target: 0.10."""
    assert figures.single_use <= SINGLE_USE


def test_the_package_names_the_files_of_the_journey(figures: Figures) -> None:
    """A reader who follows the list meets files that a share really runs through."""
    journey = re.findall(r"^    (\S+\.py)  ", sharetally.__doc__ or "", re.MULTILINE)
    assert len(journey) > 10
    assert set(journey) <= set(figures.journey_files)
    mentioned = re.findall(r"[\w/]+\.py", sharetally.__doc__ or "")
    assert [name for name in mentioned if not (SOURCE / name).is_file()] == []
