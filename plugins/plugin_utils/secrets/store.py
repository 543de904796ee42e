# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the plugins that ask a password manager have in common: their options, and how what was found is shown."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, List, Mapping, Sequence

from ...module_utils._errors import SecretError
from . import kamal_command
from .adapter import Found, Request
from .adapters import ADAPTERS, fetch
from .commands import LIMIT
from .tool import REDACTED, SECONDS, Surroundings

OPTIONS = {"adapter": {"type": "str"}, "account": {"type": "str"}, "from": {"type": "str"}}

Value = Callable[[str], Any]


def find(options: Mapping[str, Any], names: Sequence[str], value: Value) -> Found:
    """What a password manager has of that which is asked for."""
    if not options.get("adapter"):
        known = ", ".join(ADAPTERS)
        raise SecretError(f"Which password manager is to be asked? Set adapter, or kamal_secrets_adapter: {known}.")
    request = Request(tuple(names), options.get("account"), options.get("from"))
    around = Surroundings(os.environ, os.getcwd(), float(value(LIMIT) or SECONDS))
    return fetch(options["adapter"], request, around)


def pick(names: Sequence[str], found: Found) -> List[str]:
    """The values of the names. Some tools know a secret under another name than that which it is asked for by."""
    if len(names) == len(found) == 1:
        return list(found.values())
    return [kamal_command.extract(name, found) for name in names]


def shown(value: str, show: bool) -> str:
    return value if show else REDACTED


def as_json(found: Found, show: bool) -> str:
    return json.dumps({name: shown(value, show) for name, value in found.items()}, indent=2, ensure_ascii=False)
