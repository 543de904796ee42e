# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A git checkout: which commit it is at, whether it has changes, and who works in it."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
from typing import IO, Dict, List, Optional, Union

from .._errors import CaravanError, VersionError

# What git sets for its hooks; it would tie our git to the repository of a hook that started us.
OURS = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
)


class GitFailed(Exception):
    """git ended with an error; the text is what it said."""


def is_repository(root: str) -> bool:
    """Whether `root` is inside a git checkout. A checkout that git refuses to read is a VersionError."""
    if shutil.which("git") is None and not _has_dot_git(root):
        return False
    try:
        return ask(root, "rev-parse", "--is-inside-work-tree") == "true"
    except GitFailed as error:
        if "not a git repository" in str(error) or not os.path.isdir(root):
            return False
        raise _explained(root, error) from error


def head(root: str) -> str:
    """The commit that is checked out."""
    try:
        return ask(root, "rev-parse", "--verify", "HEAD^{commit}")
    except GitFailed as error:
        if "Needed a single revision" in str(error):
            raise VersionError(
                f"{root} has no commit yet, and the commit is the version to deploy. Commit first, or name a version "
                "with -e kamal_version=VERSION."
            ) from error
        raise _explained(root, error) from error


def uncommitted(root: str) -> bool:
    """Whether the checkout has changes, new files among them, that no commit holds."""
    try:
        return bool(ask(root, "status", "--porcelain"))
    except GitFailed as error:
        raise _explained(root, error) from error


def ignored(folder: str) -> List[str]:
    """What lies below a folder of the checkout and git ignores: files, and folders in which there is nothing else."""
    question = ("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
    try:
        return [path.rstrip("/") for path in ask(folder, *question).split("\0") if path]
    except GitFailed as error:
        raise _explained(folder, error) from error


def user(root: str) -> str:
    """Who is at work here, for audit lines: git's e-mail address or name, else the account."""
    return _configured(root, "user.email", "user.name")


def person(root: str) -> str:
    """Who is at work here, for locks: git's name or e-mail address, else the account."""
    return _configured(root, "user.name", "user.email")


def _configured(root: str, *settings: str) -> str:
    for setting in settings:
        try:
            value = ask(root, "config", setting)
        except (GitFailed, CaravanError):
            continue
        if value:
            return value
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


def commit(root: str, name: str) -> Optional[str]:
    """The full ID of the commit that `name` means in this checkout, or None."""
    try:
        return ask(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except GitFailed:
        return None


def top(root: str) -> str:
    """The top folder of the checkout that `root` is in."""
    return _about(root, "--show-toplevel")


def prefix(root: str) -> str:
    """What leads from the top folder of the checkout to `root`; empty at the top."""
    return _about(root, "--show-prefix")


def _about(root: str, question: str) -> str:
    try:
        return ask(root, "rev-parse", question)
    except GitFailed as error:
        raise _explained(root, error) from error


def _has_dot_git(root: str) -> bool:
    folder = os.path.abspath(root)
    while not os.path.exists(os.path.join(folder, ".git")):
        folder, before = os.path.dirname(folder), folder
        if folder == before:
            return False
    return True


def ask(folder: str, *arguments: str) -> str:
    """What git prints in a folder. Raises GitFailed."""
    return run("-C", folder, *arguments)


def run(*arguments: str, stdin: Union[int, IO[bytes]] = subprocess.DEVNULL) -> str:
    """What git prints. Raises GitFailed, and VersionError where git cannot be started at all."""
    # Hooks of the operator are for the operator's own checkouts.
    argv = ["git", "-c", "core.hooksPath=/dev/null", *arguments]
    try:
        result = subprocess.run(
            argv,
            env=environment(),
            stdin=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise VersionError(
            "git is not installed here. Install it, or name a version that was built already."
        ) from error
    except OSError as error:
        raise VersionError(f"git cannot be started here: {error}. See whether {shutil.which('git')} runs.") from error
    if result.returncode:
        raise GitFailed(result.stderr.strip() or f"git {' '.join(arguments)} failed with code {result.returncode}")
    return result.stdout.strip()


def environment() -> Dict[str, str]:
    """In English, never asking, and not tied to any repository."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    return dict(environment, LC_ALL="C", GIT_TERMINAL_PROMPT="0")


def _explained(root: str, error: Exception) -> VersionError:
    if "dubious ownership" in str(error):
        return VersionError(
            f"git does not read {root}, because it belongs to another user. Run as its owner, or allow it with: "
            f"git config --global --add safe.directory {root}"
        )
    if "not a git repository" in str(error):
        return VersionError(f"{root} is not a git checkout. Name a version, or run from the checkout of the project.")
    return VersionError(f"git could not read {root}: {error}")
