# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every adapter has in common: what it is asked for, and what it needs to be asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ...module_utils._errors import SecretError
from .tool import Surroundings, Tool

Found = Dict[str, str]


@dataclass(frozen=True)
class Request:
    """`names` are those that were asked for; `source` is what `--from` says."""

    names: Tuple[str, ...]
    account: Optional[str] = None
    source: Optional[str] = None

    @property
    def full_names(self) -> List[str]:
        return [f"{self.source}/{name}" if self.source else name for name in self.names]


@dataclass(frozen=True)
class Adapter:
    """`account`, `source` and `named` say what `--account`, `--from` and the names are, where they are needed."""

    name: str
    command: str
    install: str
    login: str
    fetch: Callable[[Request, Tool], Found]
    account: str = ""
    source: str = ""
    named: str = ""
    # Where one of these variables is set, it says whose the secrets are.
    instead_of_account: Tuple[str, ...] = ()

    def find(self, request: Request, around: Surroundings) -> Found:
        self._require(request, around.environ)
        tool = Tool(self.name, self.command, self.install, self.login, around)
        tool.require()
        try:
            return self.fetch(request, tool)
        except (AttributeError, IndexError, KeyError, TypeError):
            raise tool.error(f"{self.command} answered in a form that is not expected", self.install) from None

    def _require(self, request: Request, environ: Mapping[str, str]) -> None:
        if self.account and not request.account and not any(environ.get(name) for name in self.instead_of_account):
            raise SecretError(f"{self.name}: the option --account is missing. Give {self.account}.")
        if self.source and not request.source:
            raise SecretError(f"{self.name}: the option --from is missing. Give {self.source}.")
        if self.named and not request.names:
            raise SecretError(f"{self.name}: nothing is asked for. Name at least one secret: {self.named}.")


def text_of(value: Any) -> str:
    """Text is what it is; everything else is written as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
