# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A clone on a build host that is no checkout of the project: what it lacks of a commit was sent to it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, field
from typing import Callable, Iterator, Mapping, Optional, Sequence

from .._errors import BuildError
from .._host import user
from . import clone, git
from .git import GitFailed

REPOSITORY = "checkout"
REFS = "refs/caravan"


@dataclass(frozen=True)
class Received:
    """`objects` is the file with the git objects that this host lacked, None where it lacked none.

    `below` leads from the top of the checkout to the project, `shallow` are the commits whose parents nobody has.
    """

    commit: str
    below: str = ""
    objects: Optional[str] = None
    shallow: Sequence[str] = field(default_factory=list)

    @classmethod
    def of(cls, option: Optional[Mapping[str, object]]) -> Optional[Received]:
        return cls(**option) if option else None  # type: ignore[arg-type]


def folder_name(service: str, root: str) -> str:
    """Below the user's cache, the same for every run from one project folder."""
    return f"caravan/received/{service}-{hashlib.sha256(root.encode()).hexdigest()[:12]}"


def folder(service: str, root: str) -> str:
    return os.path.join(user.cache(), folder_name(service, root))


@contextlib.contextmanager
def checkout(received: Received, into: str, notice: Callable[[str], None]) -> Iterator[str]:
    """A clean checkout of the commit; yields what the project is in there. One build at a time has it."""
    with clone.alone(into, notice):
        repository = os.path.join(into, REPOSITORY)
        with clone.at(repository):
            try:
                _take_in(received, repository)
                clone.clean(repository, received.commit)
            except GitFailed as error:
                clone.delete(repository)
                raise BuildError(
                    f"The clone to build from in {repository} is broken, and was removed: {error}. Run the same "
                    "command again: then all of it is sent.",
                    lacks=True,
                ) from error
        yield os.path.normpath(os.path.join(repository, received.below))


def _take_in(received: Received, repository: str) -> None:
    """The reference comes last: what it leads to is whole, and is not asked for again."""
    if not os.path.isdir(os.path.join(repository, ".git")):
        clone.delete(repository)
        git.run("init", "--quiet", repository)
    if received.shallow:
        with open(os.path.join(repository, ".git", "shallow"), "w", encoding="utf-8") as file:
            file.write("".join(f"{commit}\n" for commit in received.shallow))
    if received.objects:
        with open(received.objects, "rb") as objects:
            git.run("-C", repository, "index-pack", "--stdin", "--fix-thin", stdin=objects)
    git.ask(repository, "update-ref", f"{REFS}/{received.commit}", received.commit)
