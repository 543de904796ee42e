# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: deploy
short_description: A Kamal configuration as an inventory
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Reads C(config/deploy.yml) as it is. Its servers become hosts, with the connection settings of its C(ssh) section.
  - The groups are C(app) with all servers, one for each role, C(accessories), one for each accessory, C(loadbalancer)
    if there is one, and one for each tag.
  - A name that is taken already, by Ansible or by one that stands before it in this list, gets what it is in front,
    as in C(tag_web).
  - A file whose name begins with C(deploy.) is read directly if this plugin stands first in C(enable_plugins).
    Without that setting, a small file that names the plugin and the configuration does the same.
options:
  plugin:
    description: Marks a file as one for this plugin.
    type: str
    choices: [caravan.kamal.deploy]
  config:
    description: The configuration, relative to the file that names this plugin.
    type: str
    default: config/deploy.yml
  destination:
    description:
      - The destination, as in C(config/deploy.DESTINATION.yml).
      - The extra variable C(kamal_destination) wins over it, where the inventory is read in the same run. An inventory
        that is kept, such as one that AWX has synced, has the hosts of the destination it was read for; there each
        destination has a source of its own.
    type: str
"""

EXAMPLES = r"""
# caravan.yml, used as: ansible-playbook -i caravan.yml caravan.kamal.deploy
plugin: caravan.kamal.deploy
config: config/deploy.yml

# ansible.cfg, then: ansible-playbook -i config/deploy.yml caravan.kamal.deploy
# [inventory]
# enable_plugins = caravan.kamal.deploy, host_list, script, auto, yaml, ini
"""

import os
import re
import sys
from typing import Any, Dict, Iterable, Mapping, Optional, Set, Tuple

from ansible import constants, context
from ansible.inventory.group import to_safe_group_name
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.plugins.loader import connection_loader
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ..module_utils._errors import ConfigError, Problem
from ..plugin_utils import invocation
from ..plugin_utils.commands.help import require_playbooks, show_and_end
from ..plugin_utils.config.findings import listed, near_miss
from ..plugin_utils.config.load import Config, Settings, files, load, load_aliases
from ..plugin_utils.config.source import CONFIGURATION, DEFAULT_FILE
from ..plugin_utils.config.ssh import connection

try:
    from ansible.template import trust_as_template
except ImportError:  # Before ansible-core 2.19 every text of an inventory may be a template.

    def trust_as_template(value: str) -> str:
        return value


PARSER_ERROR = 4
# Those of a configuration's sections, which hold all of its hosts.
GROUPS = ("app", "accessories", "loadbalancer")
OPTIONS = ("plugin", "config", "destination")


class InventoryModule(BaseInventoryPlugin):
    NAME = "caravan.kamal.deploy"

    def verify_file(self, path: str) -> bool:
        """A missing deploy.yml is ours too: other plugins would only say that nothing was parsed."""
        return bool(CONFIGURATION.match(os.path.basename(path))) or _names_us(path)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        extra = load_extra_vars(loader)
        try:
            require_playbooks()
            if boolean(extra.get("kamal_help", False), strict=False):
                show_and_end()
            file, destination = self._source(path, extra)
            playbooks = invocation.playbooks()
            if playbooks == ["upgrade"] and _is_to_be_converted(file, destination):
                return
            which = (file, destination, Settings.of(os.environ, extra.get))
            if playbooks == ["alias"] and not context.CLIARGS.get("syntax"):
                # It takes over before the rest of a configuration is read. What it needs no other run imports.
                from ..plugin_utils.commands import alias

                alias.run(load_aliases(*which), str(extra.get("kamal_alias") or ""))
            self._fill(load(*which))
        except Exception as error:
            # An error that is raised here only becomes a warning, the next plugin invents hosts from the same file,
            # and the run ends well without having done anything.
            Display().error(str(error), wrap_text=False)
            raise SystemExit(PARSER_ERROR) from error

    def _source(self, path: str, extra: Mapping[str, Any]) -> Tuple[str, Optional[str]]:
        """The configuration, and the destination that was asked for."""
        destination = extra.get("kamal_destination")
        if _names_us(path):
            options = self._read_config_data(path)
            _require_known(options, path)
            path = os.path.join(os.path.dirname(os.path.abspath(path)), options.get("config") or DEFAULT_FILE)
            destination = destination or options.get("destination")
        return path, None if destination is None else str(destination)

    def _fill(self, config: Config) -> None:
        topology = config.topology
        groups = GROUPS if topology.balancers else GROUPS[:-1]
        self._taken: Set[str] = {"all", "ungrouped", *groups}
        for group in groups:
            self.inventory.add_group(group)
        for role in topology.roles:
            self._group("role", role.name, role.hosts, parent="app")
        for accessory in topology.accessories:
            self._group("accessory", accessory.name, accessory.hosts, parent="accessories")
        for tag, hosts in topology.tags.items():
            self._group("tag", tag, hosts)
        for host in topology.balancers:
            self._add_host(host, "loadbalancer")
        for name, value in _variables(config).items():
            self.inventory.set_variable("all", name, value)
        for group in groups:
            for name, value in _connection(config).items():
                self.inventory.set_variable(group, name, value)

    def _group(self, kind: str, name: str, hosts: Iterable[str], parent: Optional[str] = None) -> None:
        group = to_safe_group_name(name, force=True, silent=True)
        while group in self._taken:
            group = f"{kind}_{group}"
        self._taken.add(group)
        self.inventory.add_group(group)
        if parent:
            self.inventory.add_group(parent)
            self.inventory.add_child(parent, group)
        for host in hosts:
            self._add_host(host, group)

    def _add_host(self, host: str, group: str) -> None:
        self.inventory.add_host(host, group)
        if host == "localhost":
            self.inventory.set_variable(host, "ansible_connection", "local")
            self.inventory.set_variable(host, "ansible_python_interpreter", sys.executable)


def _is_to_be_converted(file: str, destination: Optional[str]) -> bool:
    """An upgrade begins without hosts, where it has to say first what of the configuration is for Kamal 1."""
    if context.CLIARGS.get("subset"):
        return False
    from ..plugin_utils.config.kamal1_conversion import of_files  # What it needs no other run imports.

    return bool(of_files(*files(file, destination)))


def _connection(config: Config) -> Dict[str, Any]:
    """What ansible.cfg or the environment say of ssh_args stays as it is."""
    variables = connection(config.data)
    connection_loader.get("ssh", class_only=True)  # This makes its settings known.
    _value, origin = constants.config.get_config_value_and_origin(
        "ssh_args", plugin_type="connection", plugin_name="ssh"
    )
    if origin != "default":
        del variables["ansible_ssh_args"]
    if "ansible_ssh_extra_args" in variables:
        variables["ansible_ssh_extra_args"] = trust_as_template(variables["ansible_ssh_extra_args"])
    return variables


def _variables(config: Config) -> Dict[str, Any]:
    """Which configuration this is, for the plan.

    Below the current folder its path is relative: an inventory may be read on one machine and used on another, where
    the same project lies elsewhere.
    """
    variables: Dict[str, Any] = {"kamal_config_file": config.path}
    relative = os.path.relpath(str(config.path))
    if config.path and not relative.startswith(os.pardir):
        variables["kamal_config_file"] = relative
    if config.destination:
        variables["kamal_destination"] = config.destination
    return variables


def _require_known(options: Mapping[str, Any], path: str) -> None:
    """Ansible passes over an option that there is not; with a misspelt destination another one would be deployed to."""
    unknown = [str(name) for name in options if name not in OPTIONS]
    if unknown:
        there = listed(OPTIONS)
        raise ConfigError(
            [Problem(f"unknown key{near_miss(name, OPTIONS)} (keys: {there})", name, path) for name in unknown]
        )


def _names_us(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as source:
            return re.search(r"^plugin:\s*['\"]?caravan\.kamal\.deploy\b", source.read(), re.MULTILINE) is not None
    except (OSError, UnicodeDecodeError):
        return False
