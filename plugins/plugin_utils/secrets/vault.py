# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HashiCorp Vault's key/value secrets, version 1 and 2, by `vault`. Names are `MOUNT/PATH/FIELD`.

With `--from MOUNT/PATH` they are just fields, and without names all fields. `--account` is a namespace.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from .adapter import Adapter, Found, Request, text_of
from .tool import Tool


def _fetch(request: Request, tool: Tool) -> Found:
    if request.account:
        tool.added["VAULT_NAMESPACE"] = request.account
    if not request.names:
        path = request.source or ""
        if "/" not in path:
            raise tool.error("nothing is asked for", "Name MOUNT/PATH/FIELD, or give --from MOUNT/PATH.")
        return {f"{path}/{field}": text_of(value) for field, value in _content(path, tool).items()}
    found: Found = {}
    for path, fields in _by_path(request.full_names, tool).items():
        content = _content(path, tool)
        missing = [field for field in fields if content.get(field) is None]
        if missing:
            known = ", ".join(sorted(content)) or "none"
            raise tool.error(f"{path} has no field {', '.join(missing)}", f"Its fields are: {known}.")
        found.update({f"{path}/{field}": text_of(content[field]) for field in fields})
    return found


def _by_path(names: Sequence[str], tool: Tool) -> Dict[str, List[str]]:
    paths: Dict[str, List[str]] = {}
    for name in names:
        path, _slash, field = name.rpartition("/")
        if "/" not in path or not field:
            raise tool.error(f"{name} is not of the form MOUNT/PATH/FIELD", "Write it so, or add --from MOUNT/PATH.")
        paths.setdefault(path, []).append(field)
    return paths


def _content(path: str, tool: Tool) -> Mapping[str, Any]:
    data = tool.ask_json(f"cannot read {path}", "kv", "get", "-format=json", path)["data"]
    if not _is_of_version_2(data):
        return dict(data)
    if data["data"] is None:
        raise tool.error(f"the newest version of {path} was deleted", "Bring it back with vault kv undelete.")
    return dict(data["data"])


def _is_of_version_2(data: Mapping[str, Any]) -> bool:
    metadata = data.get("metadata")
    return set(data) == {"data", "metadata"} and isinstance(metadata, dict) and "created_time" in metadata


ADAPTER = Adapter(
    name="vault",
    command="vault",
    install="Install the Vault CLI: https://developer.hashicorp.com/vault/install.",
    login="Set VAULT_ADDR, log in before (vault login) or set VAULT_TOKEN, and see that the path is right.",
    fetch=_fetch,
)
