# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Targets of make, recipes of just, and what bash completes, each asked of the program itself where it is there."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.commands import shortcuts
from ansible_collections.caravan.kamal.plugins.plugin_utils.commands.help import summary
from ansible_collections.caravan.kamal.plugins.plugin_utils.commands.takes import TAKES


def make(folder: Path, *arguments: str, **environ: str) -> list[list[str]]:
    """The commands that make would run."""
    (folder / "Makefile").write_text("include caravan.mk\n")
    (folder / "caravan.mk").write_text(shortcuts.makefile())
    done = subprocess.run(
        ["make", "-n", *arguments],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return [shlex.split(line) for line in done.stdout.splitlines()]


DEPLOY = ["ansible-playbook", "-i", "config/deploy.yml", "caravan.kamal.deploy"]


def test_every_playbook_is_a_target(tmp_path: Path) -> None:
    targets = [name.replace(".", "-").replace("_", "-") for name in TAKES]
    called = make(tmp_path, *targets)
    assert [command[-1] for command in called] == [f"caravan.kamal.{name}" for name in TAKES]


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["deploy"], DEPLOY),
        (["deploy", "ARGS=--check --diff"], [*DEPLOY, "--check", "--diff"]),
        (["deploy", "KAMAL_INVENTORY=-i inventory"], ["ansible-playbook", "-i", "inventory", DEPLOY[-1]]),
        (
            ["docs", "DOCS_SECTION=proxy"],
            ["ansible-playbook", "caravan.kamal.docs", "-e", {"kamal_docs_section": "proxy"}],
        ),
        (["deploy", "VERSION=v1,v2"], [*DEPLOY, "-e", {"kamal_version": "v1,v2"}]),
        (["deploy", r"""VERSION=it's "so" \n"""], [*DEPLOY, "-e", {"kamal_version": r"""it's "so" \n"""}]),
    ],
)
def test_what_a_target_runs(tmp_path: Path, arguments: list[str], command: list[object]) -> None:
    (ran,) = make(tmp_path, *arguments, VERSION="of the environment", HOSTS="of the environment")
    assert [json.loads(word) if word.startswith("{") else word for word in ran] == command


def test_make_lists_them(tmp_path: Path) -> None:
    listed = [words[1].split()[0] for words in make(tmp_path, "playbooks")]
    assert listed[:3] == [name.replace(".", "-") for name in list(TAKES)[:3]]
    assert len(listed) == len(TAKES)


def just(folder: Path, *arguments: str) -> list[str]:
    """What just prints, and the arguments that a playbook gets in place of ansible-playbook."""
    (folder / "justfile").write_text("import 'caravan.just'\n")
    (folder / "caravan.just").write_text(shortcuts.justfile())
    (folder / "ansible-playbook").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (folder / "ansible-playbook").chmod(0o755)
    path = os.pathsep.join((str(folder), str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["just", *arguments], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_every_playbook_is_a_recipe(tmp_path: Path) -> None:
    recipes = {line.split()[0]: line.partition("# ")[2] for line in just(tmp_path, "--list") if line.startswith(" ")}
    assert recipes == {name.replace(".", "-").replace("_", "-"): summary(name) for name in TAKES}


def test_what_a_recipe_runs(tmp_path: Path) -> None:
    ran = just(tmp_path, "app-exec", "-e", """{"kamal_cmd": "echo 'a  b' $HOME"}""", "--check")
    wanted = ["-i", "config/deploy.yml", "caravan.kamal.app.exec", "-e", """{"kamal_cmd": "echo 'a  b' $HOME"}"""]
    assert ran == [*wanted, "--check"]


def completed(folder: Path, *words: str) -> list[str]:
    (folder / "completion").write_text(shortcuts.completion())
    line = " ".join(shlex.quote(word) for word in ("ansible-playbook", *words))
    given = f"COMP_WORDS=({line}); COMP_CWORD={len(words)}"
    script = f'source ./completion; {given}; _caravan_kamal; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (
            ["caravan.kamal.lock."],
            {"caravan.kamal.lock.status", "caravan.kamal.lock.acquire", "caravan.kamal.lock.release"},
        ),
        (
            ["caravan.kamal.lock.acquire", "-e", "kamal_lock_"],
            {"kamal_lock_message=", "kamal_lock_ttl=", "kamal_lock_host="},
        ),
        (["-e", "kamal_audit"], {"kamal_audit_lines="}),
        (["caravan.kamal.app.version", "-e", "kamal_audit"], set()),
        (["caravan.kamal.app.version", "-e", "kamal_dest"], {"kamal_destination="}),
        (["--che"], set()),
    ],
)
def test_what_bash_completes(tmp_path: Path, words: list[str], found: set[str]) -> None:
    assert set(completed(tmp_path, *words)) == found


def test_bash_completes_files_too(tmp_path: Path) -> None:
    (tmp_path / "caravan-site.yml").touch()
    assert "caravan-site.yml" in completed(tmp_path, "caravan")
