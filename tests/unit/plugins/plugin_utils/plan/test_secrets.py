# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where secret values come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import SecretError
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.secrets import Secrets, files

ENVIRON = {"FROM_SHELL": "shell", "NAME": "shell's"}


def read(tmp_path: Path, text: str, name: str = "K") -> str:
    file = tmp_path / "secrets"
    file.write_text(text)
    return Secrets({}, [str(file)], ENVIRON)[name]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K=v", "v"),
        ("K = v  ", "v"),
        ("K: v", "v"),
        ("export K=v", "v"),
        ("  K=v", "v"),
        ("K=", ""),
        ("K=a=b", "a=b"),
        ("K=v # why", "v"),
        ("K=v\r\nL=w\r\n", "v"),
        ("# K=no\n\nK=v", "v"),
        ("K=one\nK=two", "two"),
        ("K='a # b $NAME \\n'", "a # b $NAME \\n"),
        ('K="a # b"', "a # b"),
        ('K="a \\"b\\""', 'a "b"'),
        ('K="one\ntwo"\nL=3', "one\ntwo"),
        ("K='-----BEGIN\nKEY\n-----END'", "-----BEGIN\nKEY\n-----END"),
        ("K=$FROM_SHELL", "shell"),
        ("K=${FROM_SHELL}/x", "shell/x"),
        ("NAME=file\nK=$NAME", "file"),
        ("K=$UNKNOWN.", "."),
        ("K=\\$NAME", "$NAME"),
    ],
)
def test_values(tmp_path: Path, text: str, value: str) -> None:
    assert read(tmp_path, text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("K=$(op read x)", r"secrets:1: command substitution.*kamal_secrets"),
        ('L=1\nK="$(op read x)"', r"secrets:2: command substitution"),
        ("L=1\nno value here", r"secrets:2: expected NAME=value"),
        ("L=1\nK='never\nclosed", r"secrets:2: the quote of K is never closed"),
    ],
)
def test_what_cannot_be_read_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SecretError, match=message):
        read(tmp_path, text)


def test_command_substitution_in_single_quotes_is_text(tmp_path: Path) -> None:
    assert read(tmp_path, "K='$(not run)'") == "$(not run)"


def test_later_files_and_the_variable_win(tmp_path: Path) -> None:
    (tmp_path / "common").write_text("A=1\nB=1\nC=1")
    (tmp_path / "own").write_text("B=2\nC=2")
    known = Secrets({"C": "3"}, [str(tmp_path / name) for name in ("common", "own", "missing")], {})
    assert known.values({"X": "A", "Y": "B", "Z": "C"}) == {"X": "1", "Y": "2", "Z": "3"}


def test_all_missing_secrets_are_named_at_once(tmp_path: Path) -> None:
    known = Secrets({"HAVE": ""}, [".kamal/secrets-common", ".kamal/secrets"], {})
    with pytest.raises(SecretError, match=r"secrets A, B\. .*\.kamal/secrets-common or \.kamal/secrets.*kamal_secrets"):
        known.require(["B", "HAVE", "A"])


def test_with_a_destination_the_plain_file_does_not_count() -> None:
    assert files("/p", ".kamal/secrets", None) == ["/p/.kamal/secrets-common", "/p/.kamal/secrets"]
    assert files("/p", ".kamal/secrets", "staging") == ["/p/.kamal/secrets-common", "/p/.kamal/secrets.staging"]
