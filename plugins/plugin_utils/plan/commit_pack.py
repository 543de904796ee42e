# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a build host lacks of a commit, as git's own pack: only what differs from the commits that it has."""

from __future__ import annotations

import os
import subprocess
from typing import Dict, List, Sequence

from ...module_utils._build import git
from ...module_utils._build.received import REFS, REPOSITORY, folder_name
from ...module_utils._errors import BuildError


def asking(service: str, root: str) -> str:
    """The command of a shell on the build host that prints the commits it has, one a line."""
    folder = f'"${{XDG_CACHE_HOME:-$HOME/.cache}}"/{folder_name(service, root)}/{REPOSITORY}'
    return f"git -C {folder} for-each-ref '--format=%(objectname)' {REFS}"


def describe(root: str, commit: str) -> Dict[str, object]:
    """The commit as the module takes it, without any objects."""
    return {"commit": commit, "below": git.prefix(root), "shallow": _shallow(root)}


def write(root: str, commit: str, known: Sequence[str], path: str) -> None:
    """Write the objects of a commit that are in none of the known ones to a file."""
    common = [each for each in known if git.commit(root, each)]
    revisions = "".join(f"{line}\n" for line in (commit, *(f"^{each}" for each in common)))
    argv = ["git", "-C", root, "pack-objects", "--revs", "--thin", "--delta-base-offset", "--stdout", "-q"]
    given = revisions.encode()
    with open(path, "wb") as pack:
        done = subprocess.run(
            argv, env=git.environment(), input=given, stdout=pack, stderr=subprocess.PIPE, check=False
        )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise BuildError(f"The commit {commit} of {root} could not be packed for the build host: {said}")


def _shallow(root: str) -> List[str]:
    """A clone of CI often has the last commits only."""
    path = os.path.join(root, git.ask(root, "rev-parse", "--git-path", "shallow"))
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().split()
