# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files sent over a connection: by pieces, from where it was cut off, and what is told where that cannot be."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.caravan.kamal.plugins.module_utils._delivery.parts import SavedLayer
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ImageError
from ansible_collections.caravan.kamal.plugins.plugin_utils import delivery
from ansible_collections.caravan.kamal.plugins.plugin_utils.delivery import Place, Sending

PIECE = 4
CONTENT = b"0123456789"
FILE = SavedLayer("sha256:1", "file", len(CONTENT))
ROOM = 10**9


class Host:
    """A host whose shell is the one of this machine, and whose connection breaks at the visits of these numbers."""

    def __init__(self, *breaks_at: int, pipelining: bool = True) -> None:
        self.breaks_at, self.visits, self.got = breaks_at, 0, b""
        self.told: list[str] = []
        self.answer: dict[str, Any] | None = None
        self._connection = SimpleNamespace(has_pipelining=pipelining, transport="paramiko")

    def _low_level_execute_command(self, script: str, sudoable: bool, in_data: bytes, executable: str) -> Any:
        self.visits += 1
        if self.visits in self.breaks_at:
            subprocess.run([executable, "-c", script], input=in_data[:1], check=True, capture_output=True)
            raise AnsibleConnectionFailure("Connection reset")
        self.got += in_data
        if self.answer and in_data:
            return self.answer
        done = subprocess.run([executable, "-c", script], input=in_data, check=False, capture_output=True, text=False)
        return {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PIECE", PIECE)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / FILE.name).write_bytes(CONTENT)
    return tmp_path / "saved"


def send(
    host: Host, source: Path, arrived: int = 0, free: int = ROOM, until: float | None = None
) -> tuple[int, bool, bytes]:
    """What was sent, whether that was all, and what is there then. Each piece takes six seconds."""
    folder = source.parent / "it's there"
    if arrived:
        folder.mkdir(exist_ok=True)
        (folder / FILE.name).write_bytes((CONTENT + b"?" * arrived)[:arrived])
    pauses: list[float] = []
    place, clock = Place(str(folder), {FILE.name: arrived}, free), iter(range(0, 1000, 6))
    tell, pause = host.told.append, pauses.append
    sending = Sending(host, place, tell, until, pause, lambda: next(clock))  # type: ignore[arg-type]
    return (*sending.send(str(source), [FILE]), (folder / FILE.name).read_bytes())


@pytest.mark.parametrize(
    ("arrived", "sent"),
    [(0, b"0123456789"), (3, b"0123456789"), (4, b"456789"), (9, b"89"), (10, b""), (13, b"0123456789")],
    ids=["nothing", "part of a piece", "a piece", "nearly all", "all", "more"],
)
def test_what_arrived_before_is_not_sent_again(source: Path, arrived: int, sent: bytes) -> None:
    host = Host()
    count, is_all, there = send(host, source, arrived)
    assert (count, is_all, host.got, there) == (len(sent), True, sent, CONTENT)


def test_a_piece_that_a_broken_connection_lost_is_sent_again_in_its_place(source: Path) -> None:
    host = Host(2, 3)
    assert send(host, source) == (len(CONTENT), True, CONTENT)


def test_a_host_that_stays_away_is_lost(source: Path) -> None:
    with pytest.raises(AnsibleConnectionFailure):
        send(Host(2, 3, 4), source)


def test_without_room_nothing_is_sent(source: Path) -> None:
    host = Host()
    with pytest.raises(ImageError, match=r"disk of this host is full: 10 B of layers are to be sent, 9 B are free"):
        send(host, source, free=9)
    assert host.visits == 0


@pytest.mark.parametrize(
    ("answer", "message", "stays"),
    [
        ("dd: error writing 'x': No space left on device", "The disk of this host is full: .* removed again", False),
        ("mkdir: cannot create directory 'x': Permission denied", "Permission denied. See that this folder", True),
        ("", "could not be written to .*: no reason was given", True),
    ],
)
def test_what_a_host_refuses_is_one_message(source: Path, answer: str, message: str, stays: bool) -> None:
    host = Host()
    host.answer = {"rc": 1, "stdout": "", "stderr": answer}
    with pytest.raises(ImageError, match=message):
        send(host, source, arrived=4)
    assert (source.parent / "it's there").exists() is stays


def test_a_connection_that_takes_no_input_is_refused(source: Path) -> None:
    with pytest.raises(ImageError, match="one of the kind paramiko takes none. Use ssh, or set registry"):
        send(Host(pipelining=False), source)


def test_how_far_it_is_is_told_every_now_and_then(source: Path) -> None:
    host = Host()
    send(host, source)
    assert host.told == ["8 B of 10 B sent"]


@pytest.mark.parametrize(
    ("until", "visits"),
    [(0, [4, 4, 2]), (7, [8, 2]), (12, [8, 2]), (18, [10]), (None, [10])],
    ids=["over before it began", "in the second piece", "at its end", "with the last piece", "no limit"],
)
def test_when_its_time_is_over_the_next_visit_goes_on(source: Path, until: float | None, visits: list[int]) -> None:
    """Each sends a piece at least, so that there is an end to it."""
    host, there, is_all = Host(), b"", False
    for count in visits:
        assert not is_all
        sent, is_all, there = send(host, source, len(there), until=until)
        assert sent == count
    assert (is_all, there, host.got) == (True, CONTENT, CONTENT)
    over = [line for line in host.told if "the deploy lock is renewed before the rest" in line]
    assert len(over) == len(visits) - 1


def test_two_that_send_the_same_file_at_once_do_not_cut_it_off_for_each_other(source: Path) -> None:
    """The second one begins while the first is in the middle."""

    class Second(Host):
        def _low_level_execute_command(self, script: str, sudoable: bool, in_data: bytes, executable: str) -> Any:
            if self.visits == 2:
                self.visits += 1
                send(Host(), source, until=0)
            return super()._low_level_execute_command(script, sudoable, in_data, executable)

    assert send(Second(), source) == (len(CONTENT), True, CONTENT)
