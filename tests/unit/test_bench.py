# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part of the benchmark that knows the collection's insides still runs: nobody runs all of it daily."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

import bench
import chart
import many


def test_a_configuration_for_many_hosts_is_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PROJECT", tmp_path)
    assert bench.plan_for_many(bench.ROOT / ".cache" / "import") > 0


def test_what_was_measured_is_written_as_tables_and_bars() -> None:
    columns = {"1 host, 0 ms": 1.0, "8 hosts, 0 ms": 2.0}
    rows = {
        name: {column: bench.Cost(factor * seconds, seconds / 2) for column, seconds in columns.items()}
        for name, factor in (("least work", 1), ("deploy", 3))
    }
    fleets = {size: {name: bench.Cost(size / 2, 1 + size * 0.25) for name in bench.IN_FLEETS} for size in (1, 3, 20)}
    met = {"deploy": {"requests": 148, "failed": 0}, "details": {"requests": 66, "failed": 1}}
    text = bench.report(rows, fleets, met, 0.5)
    assert "| deploy | 3.0 (3.0×) | 6.0 (3.0×) |" in text
    assert "| deploy | 0.5 | 1.0 |" in text
    assert (
        "| meanwhile | deploy | details |\n| --- | --- | --- |\n| requests | 148 | 66 |\n| failed | 0 | 1 |\n" in text
    )
    assert "\n| 1 | 0.5 | 0.5 | 0.5 | 0.5 | 0.5 | 1.2 | 1.2 | 1.2 |\n" in text
    assert "\n| 20 | 10.0 | 10.0 | 10.0 | 10.0 | 10.0 | 6.0, 0.25 | 6.0, 0.25 | 6.0, 0.25 |\n" in text
    picture = ElementTree.fromstring(chart.bars({name: columns for name in rows}))
    assert [element.text for element in picture if element.text and element.text.endswith(" s")] == [
        "1.0 s",
        "2.0 s",
    ] * 2


def test_what_many_hosts_need_follows_what_was_measured_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fleets = {size: {name: bench.Cost(9, 1 + size * 0.25) for name in bench.IN_FLEETS} for size in (20, 50)}
    section = many.report(fleets)
    assert "\n| 20 | 6.0 | 6.0 | 6.0 | 6.0 | 6.0 |\n" in section
    assert "\n| 50 | 13.5, 0.25 | 13.5, 0.25 | 13.5, 0.25 | 13.5, 0.25 | 13.5, 0.25 |\n" in section
    monkeypatch.setattr(bench, "REPORT", tmp_path / "report")
    bench.REPORT.write_text("measured before\n")
    for _time in range(2):
        many.write(section)
    assert bench.REPORT.read_text() == f"measured before\n{bench.MANY_HOSTS}{section}"
