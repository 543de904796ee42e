# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which secrets the controller has to know for a run, by name."""

from __future__ import annotations

from typing import Collection, Iterable, List, Optional, Set

from ...module_utils._shares import HostShare, needed_secrets
from .model import Accessory, Build, Registry
from .run import ABOUT_ACCESSORIES, ABOUT_IMAGES, CONTROLLER, WITH_ACCESSORIES, Run


def find(
    run: Run,
    registry: Optional[Registry],
    hosts: Iterable[HostShare],
    accessories: Collection[Accessory],
    build: Optional[Build],
) -> Set[str]:
    """What it gives to containers and to the build, and what it logs in with; `registry` is that of the service."""
    names = {name for login in _logins(run, registry, accessories) if login for name in login.secret_names}
    containers = [] if run.command in ABOUT_IMAGES else hosts
    given = [secrets for host in containers for secrets in needed_secrets(host.roles)]
    if run.command in (*WITH_ACCESSORIES, "env_push"):
        given += [secrets for accessory in accessories for secrets in accessory.needed_secrets]
    names.update(build.secrets if build else ())
    return names.union(name for secrets in given for name in secrets.values())


def _logins(run: Run, registry: Optional[Registry], accessories: Iterable[Accessory]) -> List[Optional[Registry]]:
    """Where the run logs in. A host that has its secrets itself may need no login, or have one of its own."""
    if run.command in ("env_push", "dev"):
        return []
    if run.secrets_from != CONTROLLER:
        return [registry] if run.build else []
    app = [registry] if run.command not in ABOUT_ACCESSORIES else []
    beside = accessories if run.command in WITH_ACCESSORIES else ()
    return [*app, *(accessory.registry for accessory in beside)]
