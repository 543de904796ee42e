# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines of many hosts as they come: with a docker and an ssh that are scripts of this machine."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils import follow
from ansible_collections.caravan.kamal.plugins.plugin_utils.terminal import Way

# Containers are files; `running` has the name of the one that runs.
DOCKER = """\
#!/bin/sh
cd {folder}
case $1 in
ps) echo "$*" >> asked; cat running;;
inspect) cat started;;
logs)
  echo "$*" >> asked; for id; do :; done; cat "$id"
  while grep -q "$id" running && [ -e follows ]; do sleep 0.05; done;;
esac
"""
# The first visit is cut off.
SSH = """\
#!/bin/sh
cd {folder}
for command; do :; done
if [ -e visited ]; then exec sh -c "$command"; fi
touch visited
echo "2026-01-31T12:00:00.2Z two"
echo "Connection closed by 10.0.0.1" >&2
exit 255
"""
LINES = "2026-01-31T12:00:00.1Z one\n2026-01-31T12:00:00.2Z two\n2026-01-31T12:00:01Z Three\n"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    for name, text in (("docker", DOCKER), ("ssh", SSH)):
        (tmp_path / "bin" / name).write_text(text.format(folder=tmp_path))
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    for name, text in (("running", "c1\n"), ("c1", LINES), ("started", "2026-01-31T11:00:00Z")):
        (tmp_path / name).write_text(text)
    return tmp_path


HERE = Way([], [], False)
FILTERS = follow.filters_of_role("hello", "web", "")


def lines(wish: follow.Wish, *places: follow.Place) -> list[str]:
    told: list[str] = []
    follow.follow(
        places or (follow.Place("h1 web", HERE, FILTERS),), wish, lambda name, line: told.append(f"{name}: {line}")
    )
    return told


@pytest.mark.parametrize(
    ("wish", "expected", "asked"),
    [
        ({}, ["2026-01-31T12:00:00.1Z one", "2026-01-31T12:00:00.2Z two", "2026-01-31T12:00:01Z Three"], ""),
        ({"timestamps": False}, ["one", "two", "Three"], ""),
        ({"timestamps": False, "grep": "t|e$"}, ["one", "two", "Three"], ""),
        ({"timestamps": False, "grep": "t"}, ["two"], ""),
        ({"timestamps": False, "grep": "TWO", "grep_options": "-i -A 1"}, ["two", "Three"], ""),
        ({"lines": 7}, None, " --tail 7 c1"),
        ({"since": "10m"}, None, " --since 10m c1"),
    ],
)
def test_lines_are_chosen(there: Path, wish: dict[str, Any], expected: list[str] | None, asked: str) -> None:
    told = lines(follow.Wish(once=True, **wish))
    assert expected is None or told == [f"h1 web: {line}" for line in expected]
    ps, logs = (there / "asked").read_text().splitlines()
    assert "--filter label=service=hello --filter label=role=web --filter label=destination= --all" in ps
    assert logs.startswith("logs --follow --timestamps ") and logs.endswith(asked)


def test_two_hosts_at_once(there: Path) -> None:
    places = [follow.Place(f"h{number} web", HERE, FILTERS) for number in (1, 2)]
    assert len(lines(follow.Wish(once=True), *places)) == 6


def test_what_cannot_be_followed_is_told(there: Path) -> None:
    (there / "bin/docker").write_text("#!/bin/sh\necho permission denied >&2; exit 1\n")
    assert lines(follow.Wish()) == ["h1 web: ended with code 1: permission denied"]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_container_that_takes_over_is_followed_from_its_beginning(there: Path) -> None:
    (there / "follows").touch()
    told: list[str] = []
    place = follow.Place("h1 web", HERE, FILTERS)
    asked = (place,), follow.Wish(lines=1, timestamps=False), lambda _name, line: told.append(line)
    threading.Thread(target=follow.follow, args=asked, daemon=True).start()
    wait_for(lambda: len(told) == 3)
    (there / "c2").write_text("2026-01-31T12:00:02Z four\n")
    (there / "running").write_text("c2\n")
    wait_for(lambda: len(told) == 4)
    (there / "bin/docker").write_text("#!/bin/sh\nexit 1\n")
    (there / "follows").unlink()
    assert told == ["one", "two", "Three", "four"]
    assert (there / "asked").read_text().splitlines()[-1].endswith(" --timestamps c2")


def test_a_connection_that_is_lost_is_told_and_its_lines_go_on_where_they_stopped(there: Path) -> None:
    way = Way(["ssh"], ["-l", "sam", "h1"], False)
    told = lines(follow.Wish(once=True, timestamps=False), follow.Place("h1 web", way, FILTERS))
    lost = "the connection was lost (Connection closed by 10.0.0.1); it is tried again until it is back"
    assert told == [f"h1 web: {line}" for line in ("two", lost, "Three")]
    assert "--since 2026-01-31T12:00:00Z" in (there / "asked").read_text()


def test_nothing_goes_on_where_nobody_listens_any_more(there: Path) -> None:
    """As when the run is ended by Ctrl-C, or killed."""
    (there / "follows").touch()
    argv = HERE.argv(follow.script(FILTERS, follow.Wish()))
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline()
        process.stdin.close()
        process.wait(30)
        wait_for(
            lambda: subprocess.run(["pgrep", "-s", str(process.pid)], check=False, capture_output=True).returncode == 1
        )
