# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which configuration the variables of a play mean.

`kamal_config` is the configuration itself, `kamal_config_file` is a file that holds it (the inventory plugin sets
it, relative to the current folder where the file is below that). With neither it is the deploy.yml that was named as
inventory, else config/deploy.yml below the current folder. With both nothing tells which is meant: an error.
"""

from __future__ import annotations

import os
import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ...module_utils._errors import ConfigError, Problem
from .load import Config, Settings, files, from_mapping, load, load_aliases, project_root_of, split_destination

# A file by this name is a configuration, also for the inventory plugin.
CONFIGURATION = re.compile(r"^deploy(\.[\w-]+)*\.ya?ml$")
DEFAULT_FILE = os.path.join("config", "deploy.yml")

Value = Callable[[str], Any]


def from_task_vars(task_vars: Mapping[str, Any], templar_value: Value, cwd: str) -> Config:
    mapping = templar_value("kamal_config")
    if mapping is None:
        return load(*_file_and_how(task_vars, templar_value, cwd))
    if templar_value("kamal_config_file"):
        raise ConfigError([Problem("kamal_config and kamal_config_file are both set; keep the one that is meant")])
    groups = _role_groups(templar_value("kamal_role_groups"), task_vars.get("groups") or {})
    root = os.path.abspath(os.path.join(cwd, str(templar_value("kamal_project_root") or ".")))
    return from_mapping(mapping, _text(templar_value("kamal_destination") or None), root, role_groups=groups)


def aliases(task_vars: Mapping[str, Any], templar_value: Value, cwd: str) -> Dict[str, str]:
    if templar_value("kamal_config") is None:
        return load_aliases(*_file_and_how(task_vars, templar_value, cwd))
    return dict(from_task_vars(task_vars, templar_value, cwd).data.get("aliases") or {})


def _file_and_how(
    task_vars: Mapping[str, Any], templar_value: Value, cwd: str
) -> Tuple[str, Optional[str], Settings, Optional[str]]:
    """What a file is loaded with."""
    path = _file(task_vars, templar_value("kamal_config_file"), cwd)
    settings, root = Settings.of(os.environ, templar_value), _below(cwd, templar_value("kamal_project_root"))
    return path, _text(templar_value("kamal_destination") or None), settings, root


def place(task_vars: Mapping[str, Any], templar_value: Value, cwd: str) -> Tuple[str, Optional[str]]:
    """The project's folder and the destination, without reading anything."""
    destination = _text(templar_value("kamal_destination") or None)
    given = _below(cwd, templar_value("kamal_project_root"))
    if templar_value("kamal_config") is not None:
        return given or os.path.abspath(cwd), destination
    base, destination = split_destination(_file(task_vars, templar_value("kamal_config_file"), cwd), destination)
    return given or project_root_of(base), destination


def project_files(task_vars: Mapping[str, Any], templar_value: Value, cwd: str) -> Tuple[str, List[str]]:
    """The project's folder and the files of its configuration; none where a variable holds it."""
    folder = _below(cwd, templar_value("kamal_project_root"))
    if templar_value("kamal_config") is not None:
        return folder or os.path.abspath(cwd), []
    destination = _text(templar_value("kamal_destination") or None)
    return files(_file(task_vars, templar_value("kamal_config_file"), cwd), destination, folder)


def _file(task_vars: Mapping[str, Any], file: Any, cwd: str) -> str:
    return os.path.abspath(os.path.join(cwd, str(file or _of_inventory(task_vars) or DEFAULT_FILE)))


def _below(cwd: str, folder: Any) -> Optional[str]:
    return os.path.abspath(os.path.join(cwd, str(folder))) if folder else None


def _text(value: Any) -> Optional[str]:
    return None if value is None else str(value)


def _of_inventory(task_vars: Mapping[str, Any]) -> Optional[str]:
    """A configuration that was named as inventory where our plugin is not enabled, so that another one took it."""
    sources = [str(source) for source in task_vars.get("ansible_inventory_sources") or ()]
    return next((source for source in sources if CONFIGURATION.match(os.path.basename(source))), None)


def _role_groups(role_groups: Any, groups: Mapping[str, List[str]]) -> Optional[Dict[str, List[str]]]:
    """The hosts of each role, from the inventory group named for it."""
    if role_groups is None:
        return None
    if not isinstance(role_groups, Mapping):
        raise ConfigError([Problem("expected a map of role to inventory group", where="kamal_role_groups")])
    missing = [str(group) for group in role_groups.values() if group not in groups]
    if missing:
        message = f"the inventory has no group {', '.join(missing)}"
        raise ConfigError([Problem(message, where="kamal_role_groups")])
    return {str(role): [str(host) for host in groups[group]] for role, group in role_groups.items()}
