# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The `files` and `directories` of an accessory: where they lie on the host, as with Kamal, and are mounted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Dict, List, Mapping, Optional

from ...module_utils._shares import PlacedDirectory, PlacedFile

FILE_MODE = "0755"
ERB, JINJA = "erb", "jinja"
WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}
WHAT = {"r": 0o444, "w": 0o222, "x": 0o111, "X": 0o111, "s": 0o6000, "t": 0o1000}


@dataclass(frozen=True)
class Entry:
    """One entry of either list, in the short form or the long one."""

    local: str
    remote: str
    mode: Optional[str]
    owner: Optional[str]
    options: Optional[str]


def files(section: Mapping[str, Any], service: str, has_secrets: bool) -> List[PlacedFile]:
    """`service` is the name of the container; a template may show secrets as far as there are any."""
    return [_file(entry, service, has_secrets) for entry in _entries(section, "files")]


def directories(section: Mapping[str, Any], service: str) -> List[PlacedDirectory]:
    entries = _entries(section, "directories")
    return [PlacedDirectory(_below(service, entry.local), entry.mode, entry.owner) for entry in entries]


def file_binds(section: Mapping[str, Any], service: str) -> List[str]:
    return [_bind(f"{service}{entry.remote}", entry) for entry in _entries(section, "files")]


def directory_binds(section: Mapping[str, Any], service: str) -> List[str]:
    return [_bind(_below(service, entry.local), entry) for entry in _entries(section, "directories")]


def volume(value: Any) -> str:
    """An entry of `volumes` in the short form. A folder that is not absolute is below the SSH user's home."""
    if not isinstance(value, Mapping):
        return str(value)
    entry = _entry(value)
    return _bind(_of_home(entry.local), entry)


def volume_folders(section: Mapping[str, Any]) -> List[PlacedDirectory]:
    """The folders among `volumes`: what is written in the long form."""
    entries = [_entry(value) for value in section.get("volumes") or () if isinstance(value, Mapping)]
    return [PlacedDirectory(_of_home(entry.local), entry.mode, entry.owner) for entry in entries]


def _of_home(path: str) -> str:
    return path if path.startswith("/") else "/".join(part for part in path.split("/") if part not in ("", ".", "~"))


def _file(entry: Entry, service: str, has_secrets: bool) -> PlacedFile:
    template = ERB if entry.local.endswith("erb") else JINJA if entry.local.endswith(".j2") else None
    return PlacedFile(
        local=entry.local,
        path=f"{service}{entry.remote}",
        template=template,
        secret=template == JINJA or (template == ERB and has_secrets),
        mode=entry.mode or FILE_MODE,
        owner=entry.owner,
    )


def _below(service: str, path: str) -> str:
    """A folder that is not absolute is below one that is named like the container."""
    return (
        path
        if path.startswith("/")
        else "/".join([service, *(part for part in path.split("/") if part not in ("", "."))])
    )


def _bind(source: str, entry: Entry) -> str:
    place = source if source.startswith("/") else f"./{source}"
    return ":".join(part for part in (place, entry.remote, entry.options) if part)


def _entries(section: Mapping[str, Any], key: str) -> List[Entry]:
    return [_entry(entry) for entry in section.get(key) or ()]


def _entry(entry: Any) -> Entry:
    if isinstance(entry, Mapping):
        given: Dict[str, Optional[str]] = {name: _text(entry.get(name)) for name in ("mode", "owner", "options")}
        return Entry(str(entry["local"]), str(entry["remote"]), _octal(given["mode"]), given["owner"], given["options"])
    local, remote, *options = str(entry).split(":")
    return Entry(local, remote, None, None, options[0] if options else None)


def _text(value: Any) -> Optional[str]:
    return None if value is None else str(value)


def _octal(mode: Optional[str]) -> Optional[str]:
    """As chmod reads a mode, with what a new file or folder has where it says what is added or taken away."""
    if mode is None or re.fullmatch("[0-7]+", mode):
        return mode and mode.zfill(4)
    bits = int(FILE_MODE, 8)
    for clause in mode.split(","):
        who, sign, what = re.split("([-+=])", clause)
        mask = reduce(or_, (WHO[letter] for letter in who or "a"))
        wanted = mask & reduce(or_, (WHAT[letter] for letter in what), 0)
        before = bits & ~(mask & 0o777) if sign == "=" else bits
        bits = before & ~wanted if sign == "-" else before | wanted
    return f"{bits:04o}"
