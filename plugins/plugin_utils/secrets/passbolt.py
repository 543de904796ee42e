# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Passbolt, by go-passbolt-cli's `passbolt`. Names are `[FOLDER/…/]NAME`; what is found has the bare name."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Sequence, Tuple

from .adapter import Adapter, Found, Request
from .tool import Tool

Path = Tuple[str, ...]


def _fetch(request: Request, tool: Tool) -> Found:
    tool.ask("the server cannot be verified", "verify")
    found: Found = {}
    missing: List[str] = []
    for path, names in _by_folder(request.full_names).items():
        values = _resources(path, names, tool)
        missing += ["/".join([*path, name]) for name in names if name not in values]
        twice = sorted(set(values) & set(found))
        if twice:
            raise tool.error(f"{', '.join(twice)} is asked for in two folders", "Fetch each folder by itself.")
        found.update(values)
    if missing:
        raise tool.error(f"there is no {', '.join(missing)}", "See that the folders and names are right.")
    return found


def _by_folder(names: Sequence[str]) -> Dict[Path, List[str]]:
    folders: Dict[Path, List[str]] = {}
    for name in names:
        *path, last = name.split("/")
        folders.setdefault(tuple(path), []).append(last)
    return folders


def _resources(path: Path, names: Sequence[str], tool: Tool) -> Found:
    folder = ["--folder", _folder(path, tool)] if path else []
    which = " || ".join(_is("Name", name) for name in names)
    what = f"cannot read {', '.join(names)}"
    items = tool.ask_json(what, "list", "resources", "--filter", which, *folder, "--json") or []
    found: Found = {}
    for item in items:
        if item["name"] in found:
            raise tool.error(f"{item['name']} is there more than once", "Name its folder before it: FOLDER/NAME.")
        found[item["name"]] = str(item["password"])
    return found


def _folder(path: Path, tool: Tool) -> str:
    """The ID of the folder, from level to level."""
    parent = ""
    for depth, name in enumerate(path, 1):
        which = " && ".join([_is("Name", name), *([_is("FolderParentID", parent)] if parent else [])])
        folders = tool.ask_json("cannot read the folders", "list", "folders", "--filter", which, "--json") or []
        if not folders:
            raise tool.error(f"there is no folder {'/'.join(path[:depth])}", "See that the folders are right.")
        parent = str(min(folders, key=_is_nested)["id"])
    return parent


def _is_nested(folder: Dict[str, Any]) -> bool:
    return bool(folder.get("folder_parent_id"))


def _is(column: str, value: str) -> str:
    return f"{column} == {json.dumps(value, ensure_ascii=False)}"


ADAPTER = Adapter(
    name="passbolt",
    command="passbolt",
    install="Install go-passbolt-cli: https://github.com/passbolt/go-passbolt-cli.",
    login="Configure it before (passbolt configure, passbolt verify), and see that the names are right.",
    fetch=_fetch,
    named="[FOLDER/]NAME",
)
