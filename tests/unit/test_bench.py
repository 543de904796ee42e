# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part of the benchmark that knows the collection's insides still runs: nobody runs all of it daily."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

import bench


def test_a_configuration_for_many_hosts_is_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PROJECT", tmp_path)
    assert bench.plan_for_many(bench.ROOT / ".cache" / "import") > 0
