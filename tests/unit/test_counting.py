# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A closing line that counts wrongly would hide a failure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import run
import stories

PLAIN = run.Check("plain", ("true",))
COUNTING = run.Check("counting", ("true",), counts=True)


@pytest.mark.parametrize(
    ("check", "code", "output", "wanted"),
    [
        (PLAIN, 0, "5 failed", (1, 0)),
        (PLAIN, 2, "", (0, 1)),
        (COUNTING, 0, "....\n4 passed in 0.10s", (4, 0)),
        (COUNTING, 0, "4 passed, 2 skipped, 1 warning in 0.10s", (4, 0)),
        (COUNTING, 1, "1 failed, 3 passed, 2 errors in 0.10s", (3, 3)),
        (COUNTING, 1, "7 passed in 2.00s\n  3 passed, 2 failed", (3, 2)),
        (COUNTING, 5, "no tests ran in 0.00s", (0, 1)),
        (COUNTING, 2, "There is no story at all", (0, 1)),
        (COUNTING, 1, "4 passed in 0.10s", (4, 1)),
        (COUNTING, 0, "", (0, 1)),
        (COUNTING, 0, "3 passed, 1 failed", (3, 1)),
    ],
)
def test_a_check_counts_what_it_reports_and_never_less_than_its_exit_code(
    check: run.Check, code: int, output: str, wanted: tuple[int, int]
) -> None:
    assert run.outcome(check, code, output) == wanted


def test_what_was_skipped_is_told_although_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "told").write_text("SKIPPED [3] test_erb.py:344: there is no ruby here\nskipped: pslint\n4 passed\n")
    assert run.perform(run.Check("unit tests", ("cat", "told"), cwd=tmp_path, counts=True)) == (4, 0)
    verdict, *skipped = capsys.readouterr().out.splitlines()
    assert verdict.endswith("4 passed")
    assert skipped == ["SKIPPED [3] test_erb.py:344: there is no ruby here", "skipped: pslint"]


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("", (0, 0)),
        ("PLAY RECAP\nweb1 : ok=3 changed=1 failed=0", (0, 0)),
        ("======= 3 passed in 1.02s =======", (3, 0)),
        ("3 passed in 61.02s (0:01:01)", (3, 0)),
        ("=== 2 passed in 1s ===\nconverge\n=== 1 failed, 2 passed in 3.5s ===", (4, 1)),
        ("=== 1 passed, 1 warning, 1 error in 0.5s ===", (1, 1)),
    ],
)
def test_a_story_counts_every_run_of_its_tests(output: str, wanted: tuple[int, int]) -> None:
    assert stories.count(output) == wanted


@pytest.mark.parametrize(
    ("code", "output", "wanted"),
    [
        (0, "== 2 passed in 1s ==", (3, 0)),
        (1, "== 2 passed in 1s ==", (2, 1)),
        (1, "== 1 failed, 2 passed in 1s ==", (2, 1)),
        (1, "", (0, 1)),
    ],
)
def test_a_story_is_itself_one_more_test(
    monkeypatch: pytest.MonkeyPatch, code: int, output: str, wanted: tuple[int, int]
) -> None:
    monkeypatch.setattr(stories, "tell", lambda name: (code, output))
    assert stories.perform("default") == wanted
