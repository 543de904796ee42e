# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bitwarden's password manager, by `bw`. Names are `ITEM` or `ITEM/FIELD`, the fields being the custom ones.

The session that `bw unlock` answers goes on as BW_SESSION. Without a terminal the password comes from BW_PASSWORD.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from .adapter import Adapter, Found, Request
from .tool import Tool

_PASSWORD = "BW_PASSWORD"
_API_KEY = ("BW_CLIENTID", "BW_CLIENTSECRET")


def _fetch(request: Request, tool: Tool) -> Found:
    _unlock(request.account or "", tool)
    tool.ask("cannot sync with the server", "sync")
    found: Found = {}
    for item, fields in _by_item(request.full_names).items():
        answer = tool.ask_json(f"cannot read {item}", "get", "item", item)
        for field in fields:
            found.update(_whole(item, answer, tool) if field is None else _fields(item, [field], answer, tool))
    return found


def _unlock(account: str, tool: Tool) -> None:
    password = ("--passwordenv", _PASSWORD) if tool.around.environ.get(_PASSWORD) else ()
    status = _status(tool)
    if status == "unauthenticated":
        by_key = all(tool.around.environ.get(name) for name in _API_KEY)
        tool.ask(f"cannot log in as {account}", "login", *(("--apikey",) if by_key else (account, *password)))
        status = _status(tool)
    if status == "locked":
        session = tool.ask("cannot unlock the vault", "unlock", "--raw", *password).strip()
        tool.added.update({"BW_SESSION": session} if session else {})
        status = _status(tool)
    if status != "unlocked":
        raise tool.error(f"the vault is {status}", tool.login)


def _status(tool: Tool) -> str:
    return str(tool.ask_json("cannot tell whether the vault is open", "status")["status"])


def _by_item(names: Sequence[str]) -> Dict[str, List[Optional[str]]]:
    items: Dict[str, List[Optional[str]]] = {}
    for name in names:
        item, _slash, field = name.partition("/")
        items.setdefault(item, []).append(field or None)
    return items


def _whole(item: str, answer: Mapping[str, Any], tool: Tool) -> Found:
    """The password of a login, else all custom fields."""
    password = (answer.get("login") or {}).get("password")
    if password:
        return {item: str(password)}
    names = [field["name"] for field in answer.get("fields") or ()]
    if not names:
        raise tool.error(f"{item} has neither a password nor custom fields", "Add one, or name another item.")
    return _fields(item, names, answer, tool)


def _fields(item: str, names: Sequence[str], answer: Mapping[str, Any], tool: Tool) -> Found:
    values = {field["name"]: field["value"] for field in reversed(answer.get("fields") or ())}
    missing = [name for name in names if values.get(name) is None]
    if missing:
        known = ", ".join(sorted(values)) or "none"
        raise tool.error(f"{item} has no field {', '.join(missing)}", f"Its custom fields are: {known}.")
    return {f"{item}/{name}": str(values[name]) for name in names}


ADAPTER = Adapter(
    name="bitwarden",
    command="bw",
    install="Install the Bitwarden CLI: https://bitwarden.com/help/cli.",
    login=(
        "Unlock the vault before (export BW_SESSION=$(bw unlock --raw)), or set BW_PASSWORD, and BW_CLIENTID and "
        "BW_CLIENTSECRET to log in; and see that the names are right."
    ),
    fetch=_fetch,
    account="the e-mail address of the account",
    named="ITEM or ITEM/FIELD",
)
