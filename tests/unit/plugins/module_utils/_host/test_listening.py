# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of a command while it runs, and what is kept of it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils import _progress
from ansible_collections.caravan.kamal.plugins.module_utils._host import listening
from ansible_collections.caravan.kamal.plugins.module_utils._host.listening import Listener
from ansible_collections.caravan.kamal.plugins.module_utils._masks import masked
from ansible_collections.caravan.kamal.plugins.module_utils._progress import Progress
from hypothesis import given
from hypothesis import strategies as st

SECRETS = {"a": "hunter2", "b": "one\nt2\nthree"}


def heard(folder: Path, *pieces: bytes) -> tuple[str, list[str]]:
    """What was kept, and the texts that were told."""
    kept, events = listened(folder, *pieces)
    return kept, [event["text"] for event in events]


def listened(folder: Path, *pieces: bytes) -> tuple[str, list[dict[str, Any]]]:
    path = folder / "progress"
    path.unlink(missing_ok=True)
    listener = Listener(Progress(str(path), SECRETS), "web")
    for piece in pieces:
        listener(piece)
    return listener.end(), [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([b"a\nb\n"], ["a\nb"]),
        ([b"a", b"\nb", b"\n"], ["a", "b"]),
        ([b"no end"], ["no end"]),
        ([b"a\n\nb"], ["a\n", "b"]),
        ([b"\n"], [""]),
        ([], []),
        ([b"10%\r", b"20%\r", b"\nfull\n"], ["10%", "20%\nfull"]),
        ([b"caf\xc3", b"\xa9\n"], ["café"]),
        ([b"\xff\xfe\n", b"cut \xc3"], ["��", "cut �"]),
        ([b"is hunt", b"er2\n"], ["is ********"]),
        ([b"hunter2"], ["********"]),
        ([b"one\n", b"t2\nthree\n"], ["********"]),
        ([b"one\n", b"other\n"], ["one\nother"]),
    ],
)
def test_lines_are_told_as_they_come_and_secrets_wherever_a_piece_ends_not_at_all(
    tmp_path: Path, pieces: list[bytes], told: list[str]
) -> None:
    kept, texts = heard(tmp_path, *pieces)
    assert texts == told
    assert (
        masked(kept, SECRETS).splitlines() == masked(b"".join(pieces).decode("utf-8", "replace"), SECRETS).splitlines()
    )


def test_a_long_line_is_told_before_it_ends_and_a_secret_in_it_not(tmp_path: Path) -> None:
    long = b"x" * (listening.LONGEST_LINE + 3)
    _kept, events = listened(tmp_path, long + b"hunt", b"er2" + long + b"yy", b"hunter2 end")
    assert [event["is_cut"] for event in events] == [True, True, False]
    assert "".join(event["text"] for event in events) == "{0}********{0}yy******** end".format(long.decode())
    _kept, events = listened(tmp_path, long)
    assert [(event["text"], event["is_cut"]) for event in events] == [(long.decode(), True), ("", False)]


def test_of_a_long_output_the_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "KEPT", 100)
    kept, texts = heard(tmp_path, *(f"line {number:04}\n".encode() for number in range(1000)))
    assert len(texts) == 1000
    assert kept == "[9900 characters before this are left out]\n" + "".join(
        f"line {number:04}\n" for number in range(990, 1000)
    )


@given(
    st.lists(st.sampled_from(["hunter2", "hunt", "one\n", "t2\n", "three", "\n", "é", "x" * 40, "one\nt2\nthree"])),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_however_it_is_cut_it_is_told_as_in_one(tmp_path_factory: Any, words: list[str], sizes: list[int]) -> None:
    whole = "".join(words).encode()
    pieces, left = [], whole
    while left:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(left[:size])
        left = left[size:]
    _kept, texts = heard(tmp_path_factory.getbasetemp(), *pieces)
    assert "".join(f"{text}\n" for text in texts).splitlines() == masked(whole.decode(), SECRETS).splitlines()


def test_it_is_ended_when_nobody_wants_it_any_more(tmp_path: Path) -> None:
    listener, ended = Listener(Progress(str(tmp_path / "progress"), {}), "web"), threading.Event()
    with listener.ending(ended.set):
        assert not ended.is_set()
        (tmp_path / f"progress{_progress.STOP}").touch()
        assert ended.wait(60)
