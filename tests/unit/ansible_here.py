# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible's own commands on this machine, which find this clone as the collection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import TREE

BIN = Path(sys.executable).parent


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Of a command that is called in a folder."""
    ours = {"ANSIBLE_COLLECTIONS_PATH": str(TREE), "ANSIBLE_NOCOLOR": "1", "PWD": str(folder)}
    return {**os.environ, **ours, **more}


def run(folder: Path, name: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / name), *arguments],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        check=False,
    )


def play(folder: Path, *arguments: str, **more: str) -> tuple[int, str]:
    """The exit code of ansible-playbook, and all that it printed."""
    done = run(folder, "ansible-playbook", *arguments, **more)
    return done.returncode, done.stdout + done.stderr
