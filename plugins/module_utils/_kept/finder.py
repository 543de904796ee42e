# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Imports the collection, and what it needs of Ansible, from what the controller sent.

It is run before anything of the collection can be imported, so it imports only what is Python's own.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, Dict, Mapping, Optional, Tuple

# By name, whether it is a package, and its code: compiled or as text, or None for a package without any.
Code = Dict[str, Tuple[bool, Any]]


class Finder:
    """A finder and loader for `sys.meta_path`. It comes first: what the controller sent fits together."""

    def __init__(self, code: Code) -> None:
        self._code = code

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if fullname not in self._code:
            return None
        is_package = self._code[fullname][0]
        spec = ModuleSpec(fullname, self, origin=file_of(fullname, is_package), is_package=is_package)  # type: ignore[arg-type]
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """As Python does it."""

    def exec_module(self, module: ModuleType) -> None:
        exec(compiled(module.__name__, *self._code[module.__name__]), module.__dict__)


def install(code: Code) -> None:
    sys.meta_path.insert(0, Finder(code))


def file_of(name: str, is_package: bool) -> str:
    """What traces show."""
    return "kept/" + name.replace(".", "/") + ("/__init__.py" if is_package else ".py")


def compiled(name: str, is_package: bool, code: Any) -> CodeType:
    if isinstance(code, CodeType):
        return code
    made: CodeType = compile(code, file_of(name, is_package), "exec", dont_inherit=True)
    return made


def all_compiled(code: Mapping[str, Tuple[bool, Any]]) -> Code:
    return {name: (is_package, compiled(name, is_package, text)) for name, (is_package, text) in code.items()}
