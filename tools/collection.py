# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies this clone to where Ansible finds it by name: .cache/collections/ansible_collections/caravan/kamal."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TREE = ROOT / ".cache" / "collections" / "ansible_collections" / "caravan" / "kamal"


def wanted() -> set[Path]:
    """Everything tracked, and everything new that is not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {Path(name) for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()}


def present() -> set[Path]:
    files = {path.relative_to(TREE) for path in TREE.rglob("*") if not path.is_dir()}
    # ansible-test writes its reports to tests/output while it runs.
    return {path for path in files if path.parts[0] != ".git" and path.parts[:2] != ("tests", "output")}


def separate() -> None:
    """Make the copy a repository of its own: ansible-test and ansible-lint would find it ignored by this one."""
    if not (TREE / ".git").exists():
        subprocess.run(["git", "init", "--quiet", "--template=", str(TREE)], check=True)


def copy(path: Path) -> None:
    source, target = ROOT / path, TREE / path
    if target.exists() and filecmp.cmp(source, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copy2(source, partial)
    partial.replace(target)


def remove(path: Path) -> None:
    target = TREE / path
    target.unlink(missing_ok=True)
    while target.parent != TREE and not any(target.parent.iterdir()):
        target = target.parent
        target.rmdir()


def main() -> None:
    files = wanted()
    TREE.mkdir(parents=True, exist_ok=True)
    separate()
    for path in sorted(files):
        copy(path)
    for path in sorted(present() - files):
        remove(path)


if __name__ == "__main__":
    main()
