# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The playbooks env.push and env.delete over hosts that are this machine."""

from __future__ import annotations

import sys
from pathlib import Path

from test_playbooks_locally import BESIDE, folder, play

__all__ = ["folder"]  # a fixture
LOCAL = f"    ansible_connection: local\n    ansible_python_interpreter: {sys.executable}"

SECRETS = """\
      env: {secret: [TOKEN]}
      accessories: {db: {image: postgres, host: h4, env: {secret: ["PASSWORD:DB"]}}}
    kamal_secrets: {TOKEN: s3ntinel-word, DB: another-word}
"""
FILES = {"roles/web.env": "TOKEN=s3ntinel-word\n", "accessories/db.env": "PASSWORD=another-word\n"}


def test_secrets_are_pushed_once_and_deleted_all_and_no_output_has_them(folder: Path) -> None:
    """Without kamal_version and the registry's password, since nothing is deployed."""
    registry = "      registry: {server: r.example.com, username: me, password: [NOWHERE]}\n"
    beside = BESIDE.replace("      accessories: {db: {image: postgres, host: h4}}\n", registry + SECRETS)
    (folder / "hosts.yml").write_text(beside.replace("  vars:", f"  vars:\n{LOCAL}"))
    env = folder / ".kamal/apps/cafe/env"
    commands = [("push", "--check", "--diff"), ("push",), ("push", "--diff"), ("delete",)]
    runs = [play(folder, f"caravan.kamal.env.{name}", "-vvvv", *options) for name, *options in commands[:1]]
    assert not env.exists()
    runs += [play(folder, f"caravan.kamal.env.{name}", "-vvvv", *options) for name, *options in commands[1:3]]
    assert {str(path.relative_to(env)): path.read_text() for path in env.rglob("*.env")} == FILES
    assert {path.stat().st_mode & 0o777 for path in env.rglob("*.env")} == {0o600}
    runs += [play(folder, f"caravan.kamal.env.{name}", *options) for name, *options in commands[3:]]
    assert not env.exists()
    assert [code for code, _output in runs] == [0] * len(runs), runs
    foreseen, _pushed, again, deleted = (output for _code, output in runs)
    assert "web.env/TOKEN: set" in foreseen and "changed=0" in again.partition("h1")[2]
    assert "remove .kamal/apps/cafe/env/roles/web.env" in deleted
    assert not [word for word in ("s3ntinel-word", "another-word") if word in str(runs)]
    assert not (folder / ".kamal/lock-cafe").exists()
