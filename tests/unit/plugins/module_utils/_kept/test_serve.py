# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A call that the kept process cannot serve: it holds nothing of it, so that nobody waits for the end of its output."""

from __future__ import annotations

import errno
import marshal
import os
import socket
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._kept import serve

REQUEST = marshal.dumps(("module", 0, {}, 0o022))


def message(request: bytes) -> bytes:
    return len(request).to_bytes(serve.LENGTH, "big") + request


@pytest.fixture
def output() -> Iterator[tuple[int, int]]:
    """Standard output of a call: the end that is read, and the one that is handed over."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    yield readable, writable
    os.close(readable)


def send(asking: socket.socket, output: int, content: bytes) -> None:
    """All that a call sends, and nothing of it is kept here."""
    with open(os.devnull) as nothing:
        socket.send_fds(asking, [content], [nothing.fileno(), output, output, nothing.fileno()])
    os.close(output)


def test_a_call_that_no_process_can_be_made_for_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: tuple[int, int]
) -> None:
    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as asking:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        asking.connect(str(tmp_path / "socket"))
        send(asking, output[1], message(REQUEST))
        assert serve.Server(listener).next_module() is None
        assert (asking.recv(1), asking.recv(1)) == (b"+", b"")
    assert os.read(output[0], 1) == b""


@pytest.mark.parametrize(
    "content",
    [message(b"?"), message(REQUEST)[:-1], message(marshal.dumps(("module",)))],
    ids=["no words", "cut off", "too few words"],
)
def test_a_request_that_makes_no_sense_is_let_go(output: tuple[int, int], content: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, output[1], content)
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises((ValueError, EOFError, TypeError)):
            serve.received(theirs)
    assert os.read(output[0], 1) == b""
