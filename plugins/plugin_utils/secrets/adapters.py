# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All adapters, by the names that they are asked for with."""

from __future__ import annotations

from typing import Dict, Mapping

from ...module_utils._errors import SecretError
from . import (
    aws_secrets_manager,
    bitwarden,
    bitwarden_secrets_manager,
    doppler,
    enpass,
    gcp_secret_manager,
    lastpass,
    one_password,
    passbolt,
    sops,
    vault,
)
from .adapter import Adapter, Found, Request
from .tool import Surroundings, Tool


def _backwards(request: Request, _tool: Tool) -> Found:
    """For trying things out: each name backwards. The words make brackets, which a command cannot have."""
    return {name: name.replace("LPAREN", "(").replace("RPAREN", ")")[::-1] for name in request.full_names}


TEST = Adapter(name="test", command="", install="", login="", fetch=_backwards, account="any name")

ADAPTERS: Dict[str, Adapter] = {
    each.name: each
    for each in (
        one_password.ADAPTER,
        aws_secrets_manager.ADAPTER,
        bitwarden.ADAPTER,
        bitwarden_secrets_manager.ADAPTER,
        doppler.ADAPTER,
        enpass.ADAPTER,
        gcp_secret_manager.ADAPTER,
        lastpass.ADAPTER,
        passbolt.ADAPTER,
        sops.ADAPTER,
        vault.ADAPTER,
        TEST,
    )
}
# Kamal knows the first ones as well under the names of its own parts.
ALIASES: Mapping[str, str] = {
    "one_password": "1password",
    "last_pass": "lastpass",
    "gcp": "gcp_secret_manager",
    "bitwarden-sm": "bitwarden_secrets_manager",
    "hashicorp_vault": "vault",
}


def adapter(name: str) -> Adapter:
    known = ALIASES.get(name.lower(), name.lower())
    if known not in ADAPTERS:
        raise SecretError(f"There is no adapter {name}. Those that there are: {', '.join(ADAPTERS)}.")
    return ADAPTERS[known]


def fetch(name: str, request: Request, around: Surroundings) -> Found:
    """The secrets that are asked for, by their full names."""
    return adapter(name).find(request, around)
