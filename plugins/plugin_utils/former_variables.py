# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What variables were called before, and what people who know Kamal would call them."""

from __future__ import annotations

from typing import Dict, Tuple

_STORE = {
    "adapter": "kamal_secrets_adapter",
    "account": "kamal_secrets_account",
    "from": "kamal_secrets_from",
    "names": "kamal_secrets_names",
    "show": "kamal_secrets_show",
}
_LOGS = {
    "role": "kamal_roles",
    "lines": "kamal_logs_lines",
    "since": "kamal_logs_since",
    "grep": "kamal_logs_grep",
}
# The extra variables of playbooks before all of them began with kamal_, and what Kamal's commands call them.
FORMER: Dict[str, Dict[str, str]] = {
    "audit": {"lines": "kamal_audit_lines"},
    "config": {"format": "kamal_format"},
    "docs": {"section": "kamal_docs_section"},
    "lock.acquire": {"message": "kamal_lock_message", "ttl": "kamal_lock_ttl"},
    "logs": _LOGS,
    "app.logs": _LOGS,
    "prune.all": {"retain": "kamal_prune_retain"},
    "prune.containers": {"retain": "kamal_prune_retain"},
    "secrets.fetch": _STORE,
    "secrets.extract": {**_STORE, "name": "kamal_secrets_names", "fetched": "kamal_secrets_fetched"},
    "secrets.print": {"show": "kamal_secrets_show"},
}
# Variables of before, and what is in their place.
GONE: Dict[str, str] = {
    "kamal_config_format": "this variable is called kamal_format",
    "kamal_logs_role": "this variable is called kamal_roles",
    "kamal_accessory_cmd": "this variable is called kamal_cmd",
    "kamal_accessory_reuse": "this variable is called kamal_reuse",
    "kamal_lock_state": "there are playbooks for it, caravan.kamal.lock.acquire, lock.release and lock.status",
}
# What people who know Kamal's options would try with any playbook. Where an inventory sets the right one, as in
# kamal_version: "{{ version }}", the other is its own affair.
OPTIONS: Tuple[str, ...] = ("version", "destination", "hosts", "confirm", "roles", "primary")
