# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which variables a playbook takes, besides those that every one does."""

from __future__ import annotations

from typing import Dict, List, Tuple

from ..variables import BY_NAME, Variable
from .table import REST, of_playbook

Names = Tuple[str, ...]

# Of every playbook that reads the configuration.
CONFIGURATION: Names = (
    "kamal_destination",
    "kamal_config_file",
    "kamal_config",
    "kamal_project_root",
    "kamal_role_groups",
    "kamal_erb",
    "kamal_erb_commands",
    "kamal_hosts",
    "kamal_help",
)
# Of every one that makes a plan and looks at hosts.
PLAN: Names = ("kamal_skip_hooks", "kamal_hooks", "kamal_hooks_timeout", "kamal_kept_process", "kamal_network_ipv6")
_SECRETS: Names = ("kamal_secrets", "kamal_secrets_commands", "kamal_secrets_timeout")
_LOCK: Names = ("kamal_lock_wait", "kamal_lock_host")
_IMAGE: Names = ("kamal_build_host", "kamal_build_force", "kamal_build_cache")
_REGISTRY: Names = ("kamal_registry_image",)
_BUILD: Names = ("kamal_build", "kamal_image", *_IMAGE, *_REGISTRY)
_RELEASE: Names = ("kamal_version", "kamal_force", "kamal_env_push", *_SECRETS, *_LOCK)
_BACKUP: Names = ("kamal_accessory_backup", *_SECRETS, *_LOCK)
_STORE: Names = (
    "kamal_secrets_adapter",
    "kamal_secrets_account",
    "kamal_secrets_from",
    "kamal_secrets_names",
    "kamal_secrets_show",
)

# Of what lists.
_FORMAT: Names = ("kamal_format",)
# Of what acts on single roles.
_PART: Names = ("kamal_roles", "kamal_primary")

# By playbook. Those that its line of Kamal's tree names already need not be repeated.
TAKES: Dict[str, Names] = {
    "init": ("kamal_init_makefile", "kamal_init_justfile", "kamal_init_completion"),
    "docs": (),
    "version": (),
    "config": _FORMAT,
    "alias": ("kamal_alias",),
    "setup": (
        *_BUILD,
        *_RELEASE,
        "kamal_engine_packages",
        "kamal_proxy_recreate",
        "kamal_accessory_backup",
    ),
    "deploy": (*_BUILD, *_RELEASE, *_PART),
    "redeploy": (*_BUILD, *_RELEASE, *_PART),
    "rollback": ("kamal_rollback_secrets", *_RELEASE, *_PART),
    "upgrade": ("kamal_upgrade_write", *_RELEASE, "kamal_accessory_backup"),
    "remove": ("kamal_accessory_data", "kamal_confirm_data", *_LOCK),
    "details": (*_FORMAT, *_PART),
    "audit": ("kamal_audit_lines", *_FORMAT),
    "broadcast": (),
    "lock.status": ("kamal_lock_host", *_FORMAT),
    "lock.acquire": ("kamal_lock_ttl", "kamal_lock_host"),
    "lock.release": ("kamal_lock_host",),
    "server.bootstrap": ("kamal_engine_packages",),
    "server.exec": ("kamal_raw", *_FORMAT, *_PART),
    "app.boot": (*_RELEASE, *_PART),
    "app.start": (*_PART, *_LOCK),
    "app.stop": (*_PART, *_LOCK),
    "app.stale": (*_FORMAT, *_PART, *_LOCK),
    "app.remove": ("kamal_confirm", *_LOCK),
    "app.exec": ("kamal_version", "kamal_raw", *_FORMAT, *_PART, *_SECRETS),
    "app.logs": (*_FORMAT, *_PART),
    "app.containers": (*_FORMAT, *_PART),
    "app.images": (*_FORMAT, *_PART),
    "app.version": (*_FORMAT, *_PART),
    "app.maintenance": (*_PART, *_LOCK),
    "app.pause": ("kamal_pause_max", "kamal_pause_drain_timeout", *_PART, *_LOCK),
    "app.live": (*_PART, *_LOCK),
    "proxy.boot": ("kamal_proxy_recreate", *_LOCK),
    "proxy.start": _LOCK,
    "proxy.stop": _LOCK,
    "proxy.restart": ("kamal_proxy_rolling", *_LOCK),
    "proxy.reboot": _LOCK,
    "proxy.upgrade": _LOCK,
    "proxy.details": _FORMAT,
    "proxy.logs": _FORMAT,
    "proxy.boot_config": _FORMAT,
    "proxy.remove": ("kamal_confirm", *_LOCK),
    "accessory.boot": _BACKUP,
    "accessory.reboot": _BACKUP,
    "accessory.upgrade": _BACKUP,
    "accessory.start": _LOCK,
    "accessory.stop": _LOCK,
    "accessory.restart": _LOCK,
    "accessory.details": _FORMAT,
    "accessory.exec": ("kamal_raw", *_FORMAT, *_SECRETS),
    "accessory.logs": _FORMAT,
    "accessory.remove": ("kamal_accessory_data", "kamal_confirm_data", *_LOCK),
    "build.push": ("kamal_version", *_IMAGE, *_REGISTRY, *_SECRETS),
    "build.pull": ("kamal_version", *_REGISTRY, *_SECRETS),
    "build.deliver": ("kamal_version", *_IMAGE, *_REGISTRY, *_SECRETS),
    "build.dev": (*_IMAGE, *_SECRETS),
    "build.create": ("kamal_build_host",),
    "build.remove": ("kamal_build_host",),
    "build.details": ("kamal_build_host", *_FORMAT),
    "prune.all": ("kamal_prune_retain", *_LOCK),
    "prune.containers": _LOCK,
    "prune.images": _LOCK,
    "registry.setup": ("kamal_build_host", *_REGISTRY, *_SECRETS),
    "registry.login": ("kamal_build_host", *_SECRETS),
    "registry.logout": (),
    "registry.remove": (),
    "env.push": (*_SECRETS, *_LOCK),
    "env.delete": _LOCK,
    "secrets.fetch": _STORE,
    "secrets.extract": (*_STORE, "kamal_secrets_fetched"),
    "secrets.print": (*_FORMAT, "kamal_secrets_show", *_SECRETS),
}
# They need no inventory, for they reach no host.
WITHOUT_INVENTORY: Names = ("init", "docs", "version", "config", "secrets.fetch", "secrets.extract", "secrets.print")
# They read no configuration.
OF_NO_PROJECT: Names = ("init", "docs", "version")


def of_its_own(playbook: str) -> List[Variable]:
    """What Kamal's options stand for first."""
    said = [name for command in of_playbook(playbook) for name in (*command.options.values(), *command.arguments)]
    names = [name.partition("=")[0].replace(REST, "") for name in said if name]
    return [BY_NAME[name] for name in dict.fromkeys([*names, *TAKES.get(playbook, ())])]


def in_common(playbook: str) -> Names:
    if playbook in OF_NO_PROJECT:
        return ()
    return CONFIGURATION if playbook in WITHOUT_INVENTORY else (*CONFIGURATION, *PLAN)
