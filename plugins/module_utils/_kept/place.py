# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the kept process of a run lies on a host: a folder of the user alone, with its socket and the code of modules.

Part of what is sent to a host to be run there at once: it imports nothing that takes time.
"""

from __future__ import annotations

import marshal
import posix
import sys

FOLDER = b"/.cache/caravan.kamal"
KIND_AND_OTHERS, ONLY_A_FOLDER = 0o170077, 0o040000
# The hash in front of the code.
DIGEST = 32
ROOM = "ansible_collections.caravan.kamal.plugins.module_utils._kept."


class NotBegun(Exception):
    """No module was begun, and why."""


def say(answer: object) -> None:
    """To the controller."""
    sys.stdout.write(f"{answer}\n")


def home() -> bytes:
    return posix.environ.get(b"HOME", b"")


def enter() -> None:
    """Go into the folder: names there are short, and it stays the one that was looked at.

    Raises NotBegun if it is anybody else's, or if anybody else may look into it.
    """
    try:
        posix.chdir(home() + FOLDER)
    except OSError as error:
        raise NotBegun("nothing is kept here") from error
    found = posix.stat(".")
    if found.st_mode & KIND_AND_OTHERS != ONLY_A_FOLDER or found.st_uid != posix.geteuid():
        raise NotBegun(f"{(home() + FOLDER)!r} is not this user's alone")


def code_file(code: str) -> str:
    """What was compiled fits one version of Python."""
    return f"{code}.{sys.implementation.cache_tag}"


def stored(code: str) -> dict[str, tuple[bool, object]]:
    """The compiled code by the names of modules, and which of them are packages. Its file is marked as used now."""
    from hashlib import sha256

    try:
        with open(code_file(code), "rb") as file:
            content = file.read()
    except OSError as error:
        raise NotBegun("the code of the modules is not here") from error
    if sha256(content[DIGEST:]).digest() != content[:DIGEST]:
        raise NotBegun("the code of the modules is damaged")
    mark(code_file(code))
    found: dict[str, tuple[bool, object]] = marshal.loads(content[DIGEST:])
    return found


def mark(file_name: str) -> None:
    """As used now."""
    try:
        posix.utime(file_name)
    except OSError:
        return


def install(code: dict[str, tuple[bool, object]]) -> None:
    """From here on the collection can be imported. Python, which was started without its libraries, finds them."""
    import site

    room: dict[str, object] = {}
    site.main()
    exec(code[ROOM + "finder"][1], room)  # type: ignore[arg-type]
    room["install"](code)  # type: ignore[operator]
