# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bitwarden Secrets Manager, by `bws`. Names are IDs of secrets, `all`, or `PROJECT/all`; the keys are found again."""

from __future__ import annotations

from typing import Any, List

from .adapter import Adapter, Found, Request
from .tool import Tool

_ALL = "all"


def _fetch(request: Request, tool: Tool) -> Found:
    tool.ask("the access token is refused", "project", "list")
    return {str(item["key"]): str(item["value"]) for item in _items(request.full_names, tool)}


def _items(names: List[str], tool: Tool) -> List[Any]:
    if len(names) == 1 and names[0].rpartition("/")[2] == _ALL:
        project = names[0].rpartition("/")[0]
        return list(tool.ask_json("cannot list the secrets", "secret", "list", *([project] if project else [])))
    # The ID of a secret says all: the project before it, which --from puts there, is of no use to bws.
    ids = [name.rpartition("/")[2] for name in names]
    return [tool.ask_json(f"cannot read {name}", "secret", "get", name) for name in ids]


ADAPTER = Adapter(
    name="bitwarden_secrets_manager",
    command="bws",
    install="Install the Bitwarden Secrets Manager CLI: https://bitwarden.com/help/secrets-manager-cli.",
    login="Set BWS_ACCESS_TOKEN to the token of a machine account that may read these secrets.",
    fetch=_fetch,
    named="its ID, all, or PROJECT/all",
)
