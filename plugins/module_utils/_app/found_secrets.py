# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets that nobody hands over, since they lie on this host: in the env files of today, or of a release."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional

from .._errors import SecretError
from .._host import files
from .._shares import AccessoryShare, HostShare
from . import env_file

PUSH = (
    "The run takes secrets from files on the hosts (kamal_env_push=false). Write them with caravan.kamal.env.push "
    "where the secrets are known, or deploy from there without kamal_env_push=false."
)
GO_BACK = (
    "The run goes back with the secrets that version {version} went live with (kamal_rollback_secrets=with_release). "
    "To go back with those of today, leave that out or say -e kamal_rollback_secrets=current."
)


def of_roles(share: HostShare) -> Dict[str, Dict[str, str]]:
    """By role and variable, of the roles whose secrets lie in a file here. SecretError names all that is missing."""
    found: Dict[str, Dict[str, str]] = {}
    troubles: List[str] = []
    remedy = PUSH
    for role in share.roles:
        if role.secrets_file is not None:
            found[role.name] = _read(role.secrets_file, role.secrets, f"the role {role.name}", troubles)
        if role.secrets_file == role.kept_env_file:
            remedy = GO_BACK.format(version=share.version)
    _require_none(troubles, share.host, remedy)
    return found


def lying_here(share: HostShare) -> List[Dict[str, str]]:
    """All that the files of the roles have, needed or not: for who only has to know what not to show."""
    paths = [path for role in share.roles for path in (role.env_file, role.kept_env_file)]
    return [env_file.parse_file(files.read(path) or "") for path in paths]


def of_accessory(share: AccessoryShare) -> Optional[Dict[str, str]]:
    """By variable; None where they are handed over."""
    if share.secrets_file is None:
        return None
    troubles: List[str] = []
    found = _read(share.secrets_file, share.secrets, f"the accessory {share.name}", troubles)
    _require_none(troubles, share.host, PUSH)
    return found


def _read(path: str, wanted: Mapping[str, str], whose: str, troubles: List[str]) -> Dict[str, str]:
    """What a file has of the wanted variables; what it has not is a trouble."""
    if not wanted:
        return {}
    content = files.read(path)
    known = env_file.parse_file(content or "")
    missing = ", ".join(name for name in wanted if not known.get(name))
    if content is None:
        troubles.append(f"{whose}: there is no {files.absolute(path)}, which should have {missing}.")
    elif missing:
        troubles.append(f"{whose}: {files.absolute(path)} has no value for {missing}.")
    return {name: known[name] for name in wanted if name in known}


def _require_none(troubles: List[str], host: str, remedy: str) -> None:
    if troubles:
        raise SecretError("\n".join([f"Secrets are missing on {host}. Nothing was changed here.", *troubles, remedy]))
