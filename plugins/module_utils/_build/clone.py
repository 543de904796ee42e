# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A clean clone of one commit to build from. It is kept for the next build, and used by one build at a time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import time
from typing import Callable, Iterator

from .._errors import BuildError
from .._host import user
from . import git
from .git import GitFailed

PRIVATE = 0o700
LOCK = ".lock"
LONGEST_WAIT = 3600
PAUSE = 0.2
UNKNOWN_COMMIT = ("unable to read tree", "not a tree", "unable to find", "not our ref", "needed a single revision")


def default_folder(service: str, root: str) -> str:
    """Where the clone of a project is kept: one folder for each user and each project root."""
    owner = hashlib.sha256(f"{os.getuid()} {os.path.realpath(root)}".encode()).hexdigest()
    return os.path.join(user.cache(), "caravan", "clones", f"{service}-{owner[:12]}")


@contextlib.contextmanager
def checkout(root: str, into: str, commit: str, notice: Callable[[str], None]) -> Iterator[str]:
    """A clean checkout of `commit` below the folder `into`; yields what `root` is in there.

    Other builds with the same folder wait until the block ends. A clone that is broken is made anew.
    """
    top, below = git.top(root), git.prefix(root)
    with alone(into, notice):
        folder = os.path.join(into, os.path.basename(top))
        with at(folder):
            _bring(top, folder, commit)
        yield os.path.normpath(os.path.join(folder, below))


@contextlib.contextmanager
def alone(into: str, notice: Callable[[str], None]) -> Iterator[None]:
    """Only one build has this folder. The lock ends with the process and the builder it started, however they end."""
    with at(into):
        _make_private(into)
    path = os.path.join(into, LOCK)
    with at(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with at(path):
            os.set_inheritable(handle, True)
            _wait(handle, path, notice)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, path: str, notice: Callable[[str], None]) -> None:
    if _take(handle):
        return
    notice("Another build of this project was running; this one waited for it")
    end = time.monotonic() + LONGEST_WAIT
    while not _take(handle):
        if time.monotonic() > end:
            raise BuildError(
                f"Another build of this project has been running for {LONGEST_WAIT // 60} minutes (it holds {path}). "
                "See what it waits for (fuser shows its process), then run the same command again."
            )
        _pause()


def _take(handle: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _pause() -> None:
    time.sleep(PAUSE)


def _bring(top: str, folder: str, commit: str) -> None:
    """The clone in `folder` is at `commit`; where that fails it is deleted and made again once."""
    try:
        return _bring_to(top, folder, commit)
    except GitFailed:
        delete(folder)
    try:
        return _bring_to(top, folder, commit)
    except GitFailed as error:
        delete(folder)
        if any(text in str(error).lower() for text in UNKNOWN_COMMIT):
            raise BuildError(
                f"{top} has no commit {commit} on any branch. Check it out, or name a version that was built."
            ) from error
        raise BuildError(
            f"A clean clone of {top} could not be made in {folder}: {error}. Fix that, or set builder/context "
            "to build from the files as they are."
        ) from error


def _bring_to(top: str, folder: str, commit: str) -> None:
    if os.path.isdir(os.path.join(folder, ".git")):
        git.ask(folder, "remote", "set-url", "origin", top)
    else:
        delete(folder)
        git.run("clone", "--quiet", "--no-checkout", "--origin", "origin", top, folder)
    # HEAD as well: in CI it is often on no branch.
    git.ask(folder, "fetch", "--quiet", "--force", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*", "HEAD")
    clean(folder, commit)


def clean(folder: str, commit: str) -> None:
    """The clone has what is in the commit and nothing else, or GitFailed."""
    git.ask(folder, "checkout", "--quiet", "--force", "--detach", commit)
    git.ask(folder, "clean", "--quiet", "-ffdx")
    git.ask(folder, "submodule", "--quiet", "update", "--init", "--recursive", "--force")
    git.ask(folder, "gc", "--quiet", "--auto")
    changed = git.ask(folder, "status", "--porcelain")
    if changed:
        raise GitFailed(f"it differs from the commit right after the checkout: {changed.splitlines()[0].strip()}")
    if git.ask(folder, "rev-parse", "HEAD") != git.ask(folder, "rev-parse", "--verify", f"{commit}^{{commit}}"):
        raise GitFailed(f"it is not at {commit}")


def delete(folder: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _make_private(folder: str) -> None:
    """Only we may write where code is built from; a folder that somebody else prepared is not ours."""
    os.makedirs(folder, mode=PRIVATE, exist_ok=True)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise BuildError(f"{folder} is for the clone to build from, but it is not a folder of yours. Remove it.")
    os.chmod(folder, PRIVATE)


@contextlib.contextmanager
def at(place: str) -> Iterator[None]:
    """An error of the file system in the block is a BuildError that names the place."""
    try:
        yield
    except OSError as error:
        raise BuildError(
            f"The clone to build from cannot be kept in {place}: {error.strerror or error}. Make room or allow writing "
            "there, or let XDG_CACHE_HOME name another folder for it."
        ) from error
