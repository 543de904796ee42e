# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that git ignores and a build takes all the same, so that no commit tells what is in the image."""

from __future__ import annotations

import contextlib
import os
from typing import List, Set

from . import git
from .wanted import Wanted

with contextlib.suppress(ImportError):  # Without it there is no engine at hand that could build.
    from docker.utils.build import exclude_paths

COMMENT = "#"


def in_context(wanted: Wanted) -> List[str]:
    """Paths below the folder that is built from: files, and folders of which git ignores everything."""
    context = os.path.join(wanted.project_root, wanted.context or "")
    paths = git.ignored(context) if os.path.isdir(context) else []
    if not paths or wanted.pack:  # What project.toml leaves out is for pack to say.
        return paths
    dockerfile = os.path.join(wanted.project_root, wanted.dockerfile)
    sent = exclude_paths(context, _patterns(context, dockerfile), os.path.relpath(dockerfile, context))
    reached = _with_folders_above(sent)
    return [path for path in paths if path in reached]


def _patterns(context: str, dockerfile: str) -> List[str]:
    for path in (f"{dockerfile}.dockerignore", os.path.join(context, ".dockerignore")):
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = [line.strip() for line in file]
            return [line for line in lines if line and not line.startswith(COMMENT)]
    return []


def _with_folders_above(paths: Set[str]) -> Set[str]:
    """A file that an exception lets through may lie in a folder that is left out."""
    found: Set[str] = set()
    for path in paths:
        while path and path not in found:
            found.add(path)
            path = os.path.dirname(path)
    return found
