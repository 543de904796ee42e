# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host gets to run modules from memory: the collection's own code for hosts, and what that needs of Ansible."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Iterator, Tuple

from ansible.module_utils import basic
from ansible.release import __version__

COLLECTION = "ansible_collections.caravan.kamal.plugins"
PLUGINS = Path(__file__).resolve().parents[2]
# Of Ansible's code for modules, what none of ours imports.
LEFT_OUT = ("facts", "powershell", "csharp", "urls.py", "__pycache__")
FAST = 1


@dataclass(frozen=True)
class Sources:
    """`name` is a hash of all of it: code of another version has another name."""

    name: str
    text: bytes

    @property
    def packed(self) -> bytes:
        return zlib.compress(self.text, FAST)


@lru_cache(maxsize=None)
def of_this_version() -> Sources:
    files = dict([*_ansible(), *_below("module_utils"), *_below("modules")])
    packages = {package: (True, "") for name in files for package in _above(name)}
    text = json.dumps({**packages, **files}, sort_keys=True).encode()
    return Sources(hashlib.sha256(text).hexdigest()[:32], text)


def _ansible() -> Iterator[Tuple[str, Tuple[bool, str]]]:
    yield "ansible", (True, f"__version__ = {__version__!r}\n__author__ = 'Ansible, Inc.'\n")
    yield from _files(Path(basic.__file__).parent, "ansible.module_utils")


def _below(folder: str) -> Iterator[Tuple[str, Tuple[bool, str]]]:
    for name, (is_package, text) in _files(PLUGINS / folder, f"{COLLECTION}.{folder}"):
        if folder != "modules" or "\ndef main(" in text:
            yield name, (is_package, text)


def _files(folder: Path, package: str) -> Iterator[Tuple[str, Tuple[bool, str]]]:
    """The Python files below a folder, by the names they are imported under."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        stem, extension = os.path.splitext(entry.name)
        if entry.name in LEFT_OUT:
            continue
        if entry.is_dir():
            yield from _files(Path(entry.path), f"{package}.{stem}")
        elif entry.name == "__init__.py":
            yield package, (True, Path(entry.path).read_text(encoding="utf-8"))
        elif extension == ".py":
            yield f"{package}.{stem}", (False, Path(entry.path).read_text(encoding="utf-8"))


def _above(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def program(name: str) -> str:
    """A file of the room `_kept` that a host's Python gets on its command line, with the one that it stands on."""
    parts = ["from __future__ import annotations"]
    for part in ("place", name):
        lines = (PLUGINS / "module_utils" / "_kept" / f"{part}.py").read_text(encoding="utf-8").splitlines()
        parts += [line for line in lines if line and not line.startswith(("#", "from .", "from __future__"))]
    return "\n".join([*parts, "main(*sys.argv[1:])"])
