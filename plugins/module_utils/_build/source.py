# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an image is built from: a clean clone of one commit, or the project's files as they are."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from typing import Iterator, Optional

from .._errors import BuildError
from .._host.changes import Changes
from . import clone, git, ignored, received
from .wanted import Wanted

COMMIT = re.compile(r"([0-9a-f]{7,40})(_uncommitted_\w+)?")
FULL_LENGTH = 40
IGNORED = (
    "Files that git ignores go into the image ({}), so that it is built each time. Name in .dockerignore what it does "
    "not need"
)
LEFT_OUT = "Changes without a commit are left out of the image: it is built from a clone"


@dataclass(frozen=True)
class Source:
    """`commit` is the full ID of the commit that holds all that is built; None where no commit does."""

    wanted: Wanted
    commit: Optional[str]
    cloned: bool

    @contextlib.contextmanager
    def files(self, changes: Changes) -> Iterator[str]:
        """The folder that is the project's root for the build. A clone is ours alone until the end of the block."""
        root = self.wanted.project_root
        if not (self.cloned and self.commit):
            yield root
            return
        if self.wanted.received:
            into = self.wanted.clone_dir or received.folder(self.wanted.service, root)
            with received.checkout(self.wanted.received, into, changes.notice) as folder:
                yield folder
            return
        into = self.wanted.clone_dir or clone.default_folder(self.wanted.service, root)
        with clone.checkout(root, into, self.commit, changes.notice) as folder:
            yield folder

    def context(self, root: str) -> str:
        return os.path.normpath(os.path.join(root, self.wanted.context or "."))

    def dockerfile(self, root: str) -> str:
        return os.path.join(root, self.wanted.dockerfile)

    def check(self, root: str) -> None:
        """BuildError where the build's folder or its Dockerfile is not there."""
        if not os.path.isdir(self.context(root)):
            raise BuildError(
                f"builder/context is {self.wanted.context}, but {self.context(root)} is not a folder. Correct it there."
            )
        if not self.wanted.pack and not os.path.isfile(self.dockerfile(root)):
            raise BuildError(
                f"There is no {self.wanted.dockerfile} in {root}. Commit one, or name it in builder/dockerfile."
            )

    def has_changed(self, root: str) -> bool:
        """Whether the files are no longer those of the commit that the image says it was built from."""
        return bool(self.commit and (git.head(root) != self.commit or git.uncommitted(root)))


def find(wanted: Wanted, changes: Changes) -> Source:
    """What the wanted image is built from, read once; a notice where changes without a commit are concerned."""
    root = wanted.project_root
    if wanted.received:
        return Source(wanted, wanted.received.commit, cloned=True)
    if not os.path.isdir(root):
        raise BuildError(
            f"{root} does not exist on the host that builds. With builder/context it has to be there, under the same "
            "path; leave that out to have the commit sent there, or choose another host in kamal_build_host."
        )
    if not git.is_repository(root):
        return Source(wanted, commit=None, cloned=False)
    changed = git.uncommitted(root)
    if wanted.context is None:
        if changed:
            changes.notice(LEFT_OUT)
        return Source(wanted, commit_of(root, wanted.version), cloned=True)
    commit = _commit_of_files(wanted, changed)
    beside = ignored.in_context(wanted) if commit else []
    if changed:
        changes.notice("Changes without a commit go into the image: it is built from the files as they are")
    elif beside:
        more = f" and {len(beside) - 1} more" if len(beside) > 1 else ""
        changes.notice(IGNORED.format(f"{beside[0]}{more}"))
    return Source(wanted, None if beside else commit, cloned=False)


def commit_of(root: str, version: str) -> str:
    """The commit that a clone is built from: the one that the version names, else what is checked out."""
    return _named_commit(root, version) or git.head(root)


def _named_commit(root: str, version: str) -> Optional[str]:
    """The commit that the version names, whole or by seven digits or more; None where it is another name."""
    name = COMMIT.fullmatch(version)
    if name is None:
        return None
    commit = name[1]
    return commit if len(commit) == FULL_LENGTH else git.commit(root, commit)


def _commit_of_files(wanted: Wanted, changed: bool) -> Optional[str]:
    """The commit that holds the files as they are; BuildError where the version names another one."""
    root = wanted.project_root
    head, named = git.commit(root, "HEAD"), _named_commit(root, wanted.version)
    if named and named != head:
        raise BuildError(
            f"The version {wanted.version} names commit {named}, but {root} is at {head or 'no commit'}, and "
            "builder/context builds its files as they are. Check that commit out, or leave out builder/context."
        )
    return None if changed or not _is_inside(git.top(root), os.path.join(root, wanted.context or "")) else head


def _is_inside(folder: str, path: str) -> bool:
    return os.path.commonpath([folder, os.path.realpath(path)]) == folder
