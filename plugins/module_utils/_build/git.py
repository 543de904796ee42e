# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A git checkout: which commit it is at, whether it has changes, and a clean clone of it to build from."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import stat
import subprocess
from typing import Type

from .._errors import BuildError, CaravanError, VersionError

PRIVATE = 0o700
OURS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


class _GitFailed(Exception):
    pass


def is_repository(root: str) -> bool:
    """Whether `root` is inside a git checkout. A checkout that git refuses to read is a VersionError."""
    if shutil.which("git") is None and not _has_dot_git(root):
        return False
    try:
        return _ask(root, "rev-parse", "--is-inside-work-tree") == "true"
    except _GitFailed as error:
        if "not a git repository" in str(error) or not os.path.isdir(root):
            return False
        raise _explained(root, error, VersionError) from error


def head(root: str) -> str:
    """The commit that is checked out."""
    try:
        return _ask(root, "rev-parse", "--verify", "HEAD^{commit}")
    except _GitFailed as error:
        if "Needed a single revision" in str(error):
            raise VersionError(f"{root} has no commit yet, so there is no version to deploy. Commit first.") from error
        raise _explained(root, error, VersionError) from error


def uncommitted(root: str) -> bool:
    """Whether the checkout has changes, new files among them, that no commit holds."""
    try:
        return bool(_ask(root, "status", "--porcelain"))
    except _GitFailed as error:
        raise _explained(root, error, VersionError) from error


def user(root: str) -> str:
    """Who is at work here, for locks and audit lines: git's e-mail address or name, else the account."""
    for setting in ("user.email", "user.name"):
        try:
            found = _ask(root, "config", setting)
        except (_GitFailed, CaravanError):
            continue
        if found:
            return found
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def version(root: str, *, context_given: bool) -> str:
    """The version that a build of this checkout gets.

    With a context of its own the build takes files as they lie, changes and all, and the version has to say so; a build
    from a clone does not see them.
    """
    sha = head(root)
    return f"{sha}_uncommitted_{secrets.token_hex(8)}" if context_given and uncommitted(root) else sha


def clone(root: str, into: str, sha: str) -> str:
    """A clean checkout of `sha` below the folder `into`, kept for next time. Returns what `root` is in there."""
    _make_private(into)
    try:
        top = _ask(root, "rev-parse", "--show-toplevel")
        below = _ask(root, "rev-parse", "--show-prefix")
    except _GitFailed as error:
        raise _explained(root, error, BuildError) from error
    folder = os.path.join(into, os.path.basename(top))
    try:
        _bring_to(top, folder, sha)
    except _GitFailed:
        _bring_to_anew(top, folder, sha)
    return os.path.normpath(os.path.join(folder, below))


def _bring_to_anew(top: str, folder: str, sha: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _bring_to(top, folder, sha)
    except _GitFailed as error:
        shutil.rmtree(folder, ignore_errors=True)
        if "unable to read tree" in str(error) or "not a tree" in str(error) or "unable to find" in str(error):
            raise BuildError(
                f"{top} has no commit {sha} on any branch. Check it out, or name a version that was built."
            ) from error
        raise BuildError(
            f"A clean clone of {top} could not be made in {folder}: {error}. Fix that, or set builder/context "
            "to build from the files as they are."
        ) from error


def _bring_to(top: str, folder: str, sha: str) -> None:
    if os.path.isdir(os.path.join(folder, ".git")):
        _ask(folder, "remote", "set-url", "origin", top)
    else:
        _run("clone", "--quiet", "--no-checkout", "--origin", "origin", top, folder)
    # HEAD as well: in CI it is often on no branch.
    _ask(folder, "fetch", "--quiet", "--force", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*", "HEAD")
    _ask(folder, "checkout", "--quiet", "--force", "--detach", sha)
    _ask(folder, "clean", "--quiet", "-ffdx")
    _ask(folder, "submodule", "--quiet", "update", "--init", "--recursive", "--force")
    _ask(folder, "gc", "--quiet", "--auto")
    changed = _ask(folder, "status", "--porcelain")
    if changed:
        raise _GitFailed(f"it differs from the commit right after the checkout: {changed.splitlines()[0].strip()}")
    if _ask(folder, "rev-parse", "HEAD") != _ask(folder, "rev-parse", "--verify", f"{sha}^{{commit}}"):
        raise _GitFailed(f"it is not at {sha}")


def _make_private(folder: str) -> None:
    """Only we may write where code is built from; a folder that somebody else prepared is not ours."""
    os.makedirs(folder, mode=PRIVATE, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise BuildError(f"{folder} is for the clone to build from, but it is not a folder of yours. Remove it.")
    os.chmod(folder, PRIVATE)


def _has_dot_git(root: str) -> bool:
    folder = os.path.abspath(root)
    while not os.path.exists(os.path.join(folder, ".git")):
        folder, before = os.path.dirname(folder), folder
        if folder == before:
            return False
    return True


def _ask(folder: str, *arguments: str) -> str:
    return _run("-C", folder, *arguments)


def _run(*arguments: str) -> str:
    # Hooks of the operator are for the operator's own checkouts.
    argv = ["git", "-c", "core.hooksPath=/dev/null", *arguments]
    try:
        done = subprocess.run(
            argv,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise VersionError(
            "git is not installed here. Install it, or name a version that was built already."
        ) from error
    if done.returncode:
        raise _GitFailed(done.stderr.strip() or f"git {' '.join(arguments)} failed with code {done.returncode}")
    return done.stdout.strip()


def _environment() -> dict[str, str]:
    """In English, never asking, and not tied to the repository of a git hook that may have started us."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    return dict(environment, LC_ALL="C", GIT_TERMINAL_PROMPT="0")


def _explained(root: str, error: Exception, kind: Type[CaravanError]) -> CaravanError:
    if "dubious ownership" in str(error):
        return kind(
            f"git does not read {root}, because it belongs to another user. Run as its owner, or allow it with: "
            f"git config --global --add safe.directory {root}"
        )
    if "not a git repository" in str(error):
        return kind(f"{root} is not a git checkout. Name a version, or run from the checkout of the project.")
    return kind(f"git could not read {root}: {error}")
