"""The chart is well-formed, shows each row, and its bars reach the line just where targets are met."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bench.chart import LEFT, RIGHT, WIDTH, bar_end, draw_chart, x
from bench.report import entry
from bench.row import Target, at_least, at_most
from tests.bench.sample_rows import failed, measured

SVG = "{http://www.w3.org/2000/svg}"


def _drawn(*entries: dict[str, object]) -> ElementTree.Element:
    return ElementTree.fromstring(draw_chart(entries))  # noqa: S314, it is ours


@pytest.mark.parametrize(
    ("target", "ratio", "reached"), [(at_least(5), 10.0, 2.0), (at_least(5), 2.5, 0.5), (at_most(0.1), 0.05, 2.0)]
)
def test_a_bar_is_the_ratio_by_its_target_in_the_target_s_sense(target: Target, ratio: float, reached: float) -> None:
    assert bar_end(entry(measured((ratio,), (1.0,), target)), ratio) == pytest.approx(reached)


def test_the_bar_of_a_target_just_met_ends_at_the_line() -> None:
    bar = _drawn(entry(measured((5.0,), (1.0,), at_least(5)))).find(f"{SVG}rect")
    assert bar is not None
    assert float(bar.attrib["x"]) + float(bar.attrib["width"]) == pytest.approx(x(1), abs=0.1)


def test_a_value_beyond_the_scale_ends_at_its_edge() -> None:
    assert x(1e9) == WIDTH - RIGHT
    assert x(1e-9) == LEFT


def test_every_row_is_named_with_or_without_a_bar() -> None:
    drawn = _drawn(entry(measured((2.0,), (1.0,), at_least(1))), entry(measured((3.0,), (1.0,))), failed("gone"))
    words = [text.text for text in drawn.iter(f"{SVG}text")]
    assert words.count("ours & more") == 3
    assert "failed" in words
    assert "reported 3" in words
    assert len(drawn.findall(f"{SVG}rect")) == 1


def test_it_reads_in_the_dark() -> None:
    assert "prefers-color-scheme: dark" in draw_chart([])
