# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`env_tags` at the root, as some write it: read as if it stood below `env`, where the tags of hosts are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict

from ...module_utils._errors import Problem
from .lines import Document, KeyPath

KEY = "env_tags"
TAGS: KeyPath = ("env", "tags")
COMPLEX_KEYS = {"clear", "secret", "tags"}
NOTICE = "is read as `env/tags`, where Kamal has it"


def moved(document: Document) -> Document:
    """The document with its `env_tags` below `env`, if it has them. Places go with what is moved."""
    data = document.data
    if not isinstance(data, dict) or KEY not in data:
        return document
    tags, env = data[KEY], data.get("env", {})
    if not isinstance(env, dict):
        return document
    long = env if not COMPLEX_KEYS.isdisjoint(env) or not env else {"clear": env}
    rest = {key: value for key, value in data.items() if key not in (KEY, "env")}
    there = long.get("tags", {})
    both = [name for name in tags if name in there] if isinstance(tags, dict) and isinstance(there, dict) else []
    problems = [
        Problem(
            f"the tag is in env/tags too ({document.place((*TAGS, name))}); keep one",
            f"{KEY}/{name}",
            document.place((KEY, name)),
        )
        for name in both
    ]
    whole = {**there, **tags} if isinstance(tags, dict) and isinstance(there, dict) else tags
    places = {_new(path, is_flat=long is not env): place for path, place in document.places.items()}
    places[(KEY,)] = document.places.get((KEY,), "")
    places.setdefault(("env",), places[(KEY,)])
    moved_data: Dict[str, Any] = {**rest, "env": {**long, "tags": whole}}
    return replace(document, data=moved_data, places=places, problems=[*document.problems, *problems])


def _new(path: KeyPath, is_flat: bool) -> KeyPath:
    if path[:1] == (KEY,):
        return (*TAGS, *path[1:])
    return ("env", "clear", *path[1:]) if is_flat and path[:1] == ("env",) and len(path) > 1 else path
