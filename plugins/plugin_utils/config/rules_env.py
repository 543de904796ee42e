# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an example cannot say about the variables of containers: names, tags, and what is clear and secret at once."""

from __future__ import annotations

import re
from typing import Any, Iterator, List, Mapping, Sequence, Tuple

from .findings import Finding, shown
from .lines import KeyPath, slashed
from .topology import Role, as_map, strings
from .view import View

COMPLEX_KEYS = {"clear", "secret", "tags"}
Section = Tuple[KeyPath, Mapping[str, Any]]


def env_tags_only_at_root(view: View) -> Iterator[Finding]:
    for path, env in view.sections("env"):
        tags = as_map(env).get("tags")
        if tags is not None and path != ("env",):
            yield path + ("tags",), "tags are only allowed in the root env"
        if path == ("env",):
            for name, tag in as_map(tags).items():
                if "tags" in as_map(tag):
                    yield ("env", "tags", name, "tags"), "a tag cannot have tags of its own"


def _envs(view: View) -> Iterator[Section]:
    for path, env in view.sections("env"):
        yield path, as_map(env)
        for name, tag in as_map(as_map(env).get("tags")).items():
            yield path + ("tags", name), as_map(tag)


def env_names(view: View) -> Iterator[Finding]:
    for path, env in _envs(view):
        if COMPLEX_KEYS.isdisjoint(env):
            yield from _bad_names(path, env)
        yield from _bad_names(path + ("clear",), as_map(env.get("clear")))
        for index, entry in enumerate(strings(env.get("secret"))):
            name, colon, source = entry.partition(":")
            if not _is_variable(name) or (colon and not source):
                yield path + ("secret", index), f"found {shown(entry)}, expected NAME or NAME:SECRET"


def _bad_names(path: Tuple[Any, ...], names: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in names.items():
        if not _is_variable(name):
            yield path + (name,), "a variable's name has no spaces and no ="
        if "\0" in str(value):
            yield path + (name,), "the value has a NUL character, which no environment variable can hold"


def _is_variable(name: str) -> bool:
    return bool(name) and not re.search(r"[\s=\0]", name)


def clear_and_secret(view: View) -> Iterator[Finding]:
    """The container would get the clear value, from wherever it comes, without a word."""
    for sections in _merged(view):
        clear = {name: path for section in sections for name, path in _clear(section)}
        secret = {name: path for section in sections for name, path in _secret(section)}
        for name in clear:
            if name in secret:
                either = "a container gets one of them only, so remove the other"
                yield clear[name], f"is clear here and secret in {slashed(secret[name])}; {either}"
                yield secret[name], f"{name} is secret here and clear in {slashed(clear[name])}; {either}"


def _merged(view: View) -> Iterator[List[Section]]:
    """The sections that make up the variables of a container: root, role and tags, or an accessory's own."""
    yield from ([section] for section in _envs(view))
    for role in view.all_roles:
        for host in role.entries:
            yield list(_of_role(view, role, host.tags))


def _of_role(view: View, role: Role, tags: Sequence[str]) -> Iterator[Section]:
    root = as_map(view.data.get("env"))
    yield ("env",), root
    yield (*role.path, "env"), as_map(role.settings.get("env"))
    for tag in tags:
        yield ("env", "tags", tag), as_map(as_map(root.get("tags")).get(tag))


def _clear(section: Section) -> Iterator[Tuple[str, KeyPath]]:
    path, env = section
    if COMPLEX_KEYS.isdisjoint(env):
        yield from ((name, (*path, name)) for name in env)
    else:
        yield from ((name, (*path, "clear", name)) for name in as_map(env.get("clear")))


def _secret(section: Section) -> Iterator[Tuple[str, KeyPath]]:
    path, env = section
    for index, entry in enumerate(strings(env.get("secret"))):
        yield entry.partition(":")[0], (*path, "secret", index)


RULES = (env_tags_only_at_root, env_names, clear_and_secret)
