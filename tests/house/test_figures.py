"""The figures of the source stay within their bounds, which may be lowered, and never raised.

At most 12 frames lead from HTTP to SQL. From POST to count, a reader opens at most 25 files with 3,500 lines (ADR
0025); for all files that run, the bound is the value that was reached. Less than 10 % of the functions are private and
called in one place.
"""

from __future__ import annotations

import re

import pytest

import sharetally
from tests.house.figures import SOURCE, Figures, measure

FRAMES = 12
PATH_FILES = 23
PATH_LINES = 3_500
ALL_FILES = 42
ALL_LINES = 5_250
SINGLE_USE = 0.10


@pytest.fixture(scope="module")
def figures() -> Figures:
    return measure()


def test_few_frames_lead_from_a_request_to_sql(figures: Figures) -> None:
    assert figures.frames <= FRAMES


def test_a_reader_opens_few_files_from_post_to_count(figures: Figures) -> None:
    found = f"{len(figures.path_files)} files, {figures.path_lines} lines: {', '.join(figures.path_files)}"
    assert len(figures.path_files) <= PATH_FILES, found
    assert figures.path_lines <= PATH_LINES, found


def test_a_share_runs_through_no_more_files_than_before(figures: Figures) -> None:
    found = f"{len(figures.journey_files)} files, {figures.journey_lines} lines: {', '.join(figures.journey_files)}"
    assert len(figures.journey_files) <= ALL_FILES, found
    assert figures.journey_lines <= ALL_LINES, found


def test_few_functions_are_private_and_called_in_one_place(figures: Figures) -> None:
    assert figures.single_use < SINGLE_USE


def test_the_package_names_the_files_of_the_journey(figures: Figures) -> None:
    """A reader who follows the list meets files that a share really runs through."""
    journey = re.findall(r"^    (\S+\.py)  ", sharetally.__doc__ or "", re.MULTILINE)
    assert len(journey) > 10
    assert set(journey) <= set(figures.journey_files)
    mentioned = re.findall(r"[\w/]+\.py", sharetally.__doc__ or "")
    assert set(figures.path_files) <= set(mentioned)
    assert [name for name in mentioned if not (SOURCE / name).is_file()] == []
