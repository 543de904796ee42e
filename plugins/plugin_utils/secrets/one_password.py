# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""1Password, by `op`. Names are `[op://]VAULT/ITEM/[SECTION/]FIELD`; without a field it is the password.

Where Kamal passes a session as an argument it goes into the environment here, under the name that `op` gives it.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .adapter import Adapter, Found, Request
from .tool import Tool

# A service account and a Connect server sign in by themselves, to the one account that they belong to.
_SIGNED_IN = ("OP_SERVICE_ACCOUNT_TOKEN", "OP_CONNECT_HOST")
_SCHEME = "op://"
_SESSION = re.compile(r"^export (OP_SESSION\w*)=\"?([^\"\n]+)\"?", re.MULTILINE)
_EXAMPLE = "Name it as VAULT/ITEM or VAULT/ITEM/FIELD, or leave VAULT/ITEM to --from."


def _fetch(request: Request, tool: Tool) -> Found:
    account = _signed_in(request, tool)
    if not request.names:
        vault, item = _vault_and_item(request.source or "", tool)[:2]
        whole = tool.ask_json(_unread(vault, item), "item", "get", item, *_options(vault, account))
        return {name: value for name, value in _values(whole["fields"], vault, item) if value is not None}
    found: Found = {}
    for (vault, item), fields in _by_item(request.full_names, tool).items():
        labels = ",".join(f"label={field}" for field in fields)
        options = [*_options(vault, account), "--fields", labels]
        answer = tool.ask_json(_unread(vault, item), "item", "get", item, *options)
        values = dict(_values(answer if isinstance(answer, list) else [answer], vault, item))
        empty = [name for name, value in values.items() if value is None]
        if empty:
            raise tool.error(f"{', '.join(empty)} has no value", "Fill it in, or do not ask for it.")
        found.update({name: str(value) for name, value in values.items()})
    return found


def _signed_in(request: Request, tool: Tool) -> Sequence[str]:
    """Signs in where that is needed; returns the option that says to which account."""
    if any(tool.around.environ.get(name) for name in _SIGNED_IN):
        return ()
    account = ("--account", request.account or "")
    if not tool.run("account", "get", *account).ok:
        printed = tool.ask(f"cannot sign in to {request.account}", "signin", *account, "--force")
        tool.added.update(_SESSION.findall(printed))
    return account


def _options(vault: str, account: Sequence[str]) -> List[str]:
    return ["--vault", vault, "--format", "json", *account]


def _unread(vault: str, item: str) -> str:
    return f"cannot read {item} in the vault {vault}"


def _vault_and_item(reference: str, tool: Tool) -> List[str]:
    parts = reference[len(_SCHEME) :] if reference.startswith(_SCHEME) else reference
    words = parts.split("/")
    if len(words) < 2 or not all(words[:2]):
        raise tool.error(f"{reference or 'nothing'} does not say which item of which vault is meant", _EXAMPLE)
    return words


def _by_item(references: Sequence[str], tool: Tool) -> Dict[Tuple[str, str], List[str]]:
    """The fields that are asked for of each item, so that one call is enough for it."""
    items: Dict[Tuple[str, str], List[str]] = {}
    for reference in references:
        vault, item, *field = _vault_and_item(reference, tool)
        items.setdefault((vault, item), []).append(".".join(field) or "password")
    return items


def _values(fields: Sequence[Mapping[str, Any]], vault: str, item: str) -> List[Tuple[str, Any]]:
    """Full name and value of each field; a password is known by its item's name."""
    found = []
    for field in fields:
        name = str(field.get("reference") or f"{vault}/{item}/{field['label']}")
        name = name[len(_SCHEME) :] if name.startswith(_SCHEME) else name
        found.append((name[: -len("/password")] if name.endswith("/password") else name, field.get("value")))
    return found


ADAPTER = Adapter(
    name="1password",
    command="op",
    install="Install the 1Password CLI: https://developer.1password.com/docs/cli/get-started.",
    login=(
        "Sign in before (op signin), turn on the app's CLI integration, or set OP_SERVICE_ACCOUNT_TOKEN; and see that "
        "the names are right."
    ),
    fetch=_fetch,
    account="the account's sign-in address, shorthand or ID",
    instead_of_account=_SIGNED_IN,
)
