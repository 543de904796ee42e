# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The env file of a role or an accessory as a resource: its values are compared and written, its names are shown."""

from __future__ import annotations

from typing import Dict, Mapping, Optional

from .._host import files
from .._host.changes import Changes

ESCAPED = "# caravan: escaped"


def ensure(changes: Changes, path: str, values: Mapping[str, str]) -> None:
    content, wanted = files.read(path), render_file(values)
    if content != wanted:
        before = parse_file(content) if content is not None else None
        changes.show(path, None if before is None else _names(before), _names(values, before or {}))
        changes.do(f"write {path}", lambda: files.write(path, wanted))
    elif files.mode(path) != files.PRIVATE_FILE:
        changes.do(f"make {path} readable by its owner only", lambda: files.protect(path))


def remove(changes: Changes, path: str) -> None:
    content = files.read(path)
    if content is not None:
        changes.show(path, _names(parse_file(content)), None)
        changes.do(f"remove {path}", lambda: files.remove(path))


def remove_all(changes: Changes, directory: str) -> None:
    """Every file in a folder of env files, each told by itself."""
    paths = files.inside(directory)
    for path in paths:
        remove(changes, path)
    if paths and not changes.check_mode:
        files.remove(directory)


def _names(values: Mapping[str, str], before: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
    """Only names reach a diff; a changed value is one that reads otherwise, whatever it is."""
    known = before if before is not None else values
    return {name: "set" if known.get(name, value) == value else "set anew" for name, value in values.items()}


def render_file(values: Mapping[str, str]) -> str:
    """The env file: raw `NAME=value` lines, as Docker and Kamal read them.

    That form cannot hold a newline. Only if a value has one, a first line announces that backslashes and newlines are
    escaped in all of them. No values give a single newline, as with Kamal.
    """
    if any("\n" in value for value in values.values()):
        lines = [ESCAPED, *(f"{name}={_escape(value)}" for name, value in values.items())]
    else:
        lines = [f"{name}={value}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def parse_file(content: str) -> Dict[str, str]:
    """The values of an env file that `render_file` or Kamal wrote."""
    lines = content.split("\n")
    escaped = lines[:1] == [ESCAPED]
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: _unescape(value) if escaped else value for name, value in pairs}


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _unescape(value: str) -> str:
    return value.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")
