# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The env file of a role: written, left alone, shown by name, removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.env_file import (
    ensure,
    parse_file,
    remove,
    remove_all,
    render_file,
)
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes

PATH = ".kamal/apps/hello/env/roles/web.env"


def diff(changes: Changes) -> tuple[str, str]:
    shown = changes.result()["diff"]
    return shown["before"].replace(f"{PATH}/", ""), shown["after"].replace(f"{PATH}/", "")


@pytest.mark.parametrize(
    ("found", "wanted", "before", "after"),
    [
        (None, {"A": "1"}, "", "A: set\n"),
        ("A=1\n", {"A": "2", "B": "3"}, "A: set\n", "A: set anew\nB: set\n"),
        ("A=1\nB=2\n", {"A": "1"}, "A: set\nB: set\n", "A: set\n"),
        ("\n", {"A": "x\ny"}, "", "A: set\n"),
        ("A=1\n", {}, "A: set\n", ""),
    ],
    ids=["new", "changed and added", "removed", "multi-line", "emptied"],
)
def test_differences_are_written_and_shown_by_name(
    home: Path, found: str | None, wanted: dict[str, str], before: str, after: str
) -> None:
    if found is not None:
        (home / PATH).parent.mkdir(parents=True)
        (home / PATH).write_text(found)
    predicted = Changes(check_mode=True)
    ensure(predicted, PATH, wanted)
    assert ((home / PATH).read_text() if (home / PATH).exists() else None) == found
    changes = Changes(check_mode=False)
    ensure(changes, PATH, wanted)
    assert changes.actions == predicted.actions == [f"write {PATH}"]
    assert diff(changes) == (before, after)
    again = Changes(check_mode=False)
    ensure(again, PATH, wanted)
    assert not again.changed


def test_a_file_that_others_may_read_is_made_private_again(home: Path) -> None:
    ensure(Changes(check_mode=False), PATH, {"A": "1"})
    os.chmod(home / PATH, 0o644)
    changes = Changes(check_mode=False)
    ensure(changes, PATH, {"A": "1"})
    assert changes.actions == [f"make {PATH} readable by its owner only"]
    assert (home / PATH).stat().st_mode & 0o777 == 0o600


def test_it_is_removed_once(home: Path) -> None:
    ensure(Changes(check_mode=False), PATH, {"A": "1"})
    for expected in ([f"remove {PATH}"], []):
        changes = Changes(check_mode=False)
        remove(changes, PATH)
        assert changes.actions == expected
    assert not (home / PATH).exists()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "\n"),
        ({"A": "x", "B": ""}, "A=x\nB=\n"),
        ({"A": "a=b#c\\n 'd' $E"}, "A=a=b#c\\n 'd' $E\n"),
        ({"A": "é"}, "A=é\n"),
        ({"K": "one\ntwo", "B": "back\\slash"}, "# caravan: escaped\nK=one\\ntwo\nB=back\\\\slash\n"),
    ],
)
def test_the_env_file_is_raw_until_a_value_has_a_newline(values: dict[str, str], text: str) -> None:
    assert render_file(values) == text


@pytest.mark.parametrize("value", ["", "x", "a=b", "\\n", "a\nb", "\n", "\\", "a\\\nb\\n", "ends\n", "\\\\n\n"])
def test_every_value_survives_the_file(value: str) -> None:
    values = {"FIRST": "1", "VALUE": value, "LAST": "2"}
    assert parse_file(render_file(values)) == values


def test_a_file_of_kamal_is_read_as_docker_would() -> None:
    assert parse_file("A=x\nB=y=z\n\n") == {"A": "x", "B": "y=z"}


def test_all_files_of_a_service_are_removed_and_told_by_name(home: Path) -> None:
    folder = ".kamal/apps/hello/env"
    for path in ("roles/web.env", "accessories/db.env"):
        ensure(Changes(check_mode=False), f"{folder}/{path}", {"A": "s3cr3t"})
    (home / folder / "roles/.web.env.0123").write_text("A=half a fi")
    expected = [f"remove {folder}/{path}" for path in ("accessories/db.env", "roles/.web.env.0123", "roles/web.env")]
    foreseen, done, again = Changes(check_mode=True), Changes(check_mode=False), Changes(check_mode=False)
    remove_all(foreseen, folder)
    assert (home / PATH).exists()
    remove_all(done, folder)
    assert foreseen.actions == done.actions == expected
    assert f"{folder}/accessories/db.env/A: set" in done.result()["diff"]["before"]
    assert "s3cr3t" not in str(done.result())
    assert not (home / folder).exists()
    remove_all(again, folder)
    assert not again.changed
