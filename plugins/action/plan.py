# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the plan of a run on the controller: configuration, version, hosts, secrets, all before any host is touched."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible import constants, context
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display

from ..module_utils._build import git
from ..module_utils._data import to_data
from ..module_utils._errors import CaravanError, ConfigError, Problem
from ..plugin_utils import hooks, invocation
from ..plugin_utils.config import source
from ..plugin_utils.config.load import Config, Settings
from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.plan import handover, references, version
from ..plugin_utils.plan.contents import Contents
from ..plugin_utils.plan.model import Plan
from ..plugin_utils.plan.planner import plan
from ..plugin_utils.plan.run import (
    ABOUT_ACCESSORIES,
    BOOTING,
    BUILDING,
    COMMANDS,
    CONTROLLER,
    HOSTS,
    ON_ACCESSORIES,
    ON_ROLES,
    PREVIOUS,
    REBOOTING,
    RELEASE,
    WITH_ACCESSORIES,
    WITHOUT_SECRETS,
    WITHOUT_VERSION,
    Run,
)
from ..plugin_utils.plan.way_back import HostInfo
from ..plugin_utils.secrets import pre_init
from ..plugin_utils.secrets.sources import Secrets

LOCALHOST = "localhost"
RECORDER = "caravan.kamal.output"
UNRECORDED = f"output is recorded by the callback {RECORDER} alone: name it in callbacks_enabled in ansible.cfg"
NO_APP_HOSTS = (
    "There are no app hosts. Either the configuration was not read as an inventory: add\n"
    "  [inventory]\n"
    "  enable_plugins = caravan.kamal.deploy, host_list, script, auto, yaml, ini\n"
    "to ansible.cfg (the playbook caravan.kamal.init writes it), or use -i caravan.yml with the lines\n"
    "  plugin: caravan.kamal.deploy\n"
    "  config: config/deploy.yml\n"
    "Or your own inventory has no group app: name the hosts with -e kamal_hosts=PATTERN."
)
NO_PROJECT = (
    "There is no {}, and neither the inventory nor a variable says what to deploy. Run this in the folder of the "
    "project, whose ansible.cfg lets -i config/deploy.yml be read, or give an inventory of yours the file with "
    "-e kamal_config_file=PATH. A new project begins with the playbook caravan.kamal.init."
)
OPTIONS = {
    "command": {"type": "str", "default": "deploy", "choices": list(COMMANDS)},
    "version": {"type": "str"},
    "histories": {"type": "dict", "default": {}},
    "build": {"type": "bool"},
}


def _found(whole: Plan) -> str:
    """Which version it is, where the hosts had to be asked for that."""
    if whole.command in REBOOTING:
        return f"\nBooting version {whole.short_version} with today's configuration and secrets.\n"
    secrets = "the secrets that it went live with" if whole.secrets_from == RELEASE else "secrets"
    return (
        f"\nGoing back to version {whole.short_version}, in containers that are made from today's configuration and "
        f"{secrets}.\n"
    )


class ActionModule(ControllerAction):
    asks_operator = True
    options = OPTIONS

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        self._variables = task_vars
        self.require_step()
        whole = self._plan(arguments)
        for notice in [*whole.notices, *_unrecorded(whole)]:
            Display().warning(notice)
        if arguments["histories"]:
            Display().display(_found(whole))
        return {"plan": to_data(whole)}

    def _plan(self, arguments: Mapping[str, Any]) -> Plan:
        pre_init.begin(self._variables, self._value, Display().display)
        self._require_app_hosts()
        invocation.require_one_service(self._variables)
        config = source.from_task_vars(self._variables, self._value, os.getcwd())
        run = self._run(config, arguments)
        self._require_known(config, run)
        whole = plan(config, run)
        self._require_accessory_hosts(config, whole)
        whole = replace(whole, notices=[*whole.notices, *self._require_secrets(whole)])
        if whole.hooks:
            hooks.began(whole.service, whole.destination)
        return whole

    def _require_known(self, config: Config, run: Run) -> None:
        """What variables of this run name is there: the host that is to build, a command, hosts with kamal-proxy."""
        if run.build:
            hosts = [*self._variables["groups"]["all"], *constants.LOCALHOST]
            references.require_build_host(self._value("kamal_build_host"), hosts)
        needed = self._value("_kamal_needs")
        if needed:
            references.require(needed, self._value(needed))
        if self._variables.get("ansible_limit") and (run.command == "proxy" or self._value("_kamal_looks_at_proxy")):
            references.require_proxies(self._variables["ansible_play_hosts_all"], config.topology.proxied_hosts)

    def _require_secrets(self, whole: Plan) -> List[str]:
        """All at once, before anything is touched; a run that needs none asks nobody for any. Returns notices."""
        if whole.command in WITHOUT_SECRETS:
            return []
        known = handover.secrets(whole, self._value, Display().display)
        known.require(whole.secrets)
        self._require_files(whole, known)
        return [*known.notices(whole.secrets), *handover.notices(whole, known)]

    def _require_files(self, whole: Plan, secrets: Secrets) -> None:
        """The files of accessories are there and can be rendered, where this run is to boot them."""
        accessories = whole.accessories.values() if whole.command in WITH_ACCESSORIES else ()
        handed = [each.secrets for each in accessories if each.secrets_file is None]
        values = secrets.values({name: name for variables in handed for name in variables.values()})
        contents = Contents(whole.project_root, Settings.of(os.environ, self._value), values)
        problems = [problem for accessory in accessories for problem in contents.problems(accessory)]
        if problems:
            raise ConfigError(problems)

    def _value(self, name: str) -> Any:
        return self.value_of(self._variables, name)

    def _flag(self, name: str, default: bool) -> bool:
        value = self._value(name)
        return default if value is None else bool(boolean(value))

    def _require_accessory_hosts(self, config: Config, whole: Plan) -> None:
        """A run on accessories whose host Ansible does not know, or of which --limit leaves no host, would do nothing
        and call it a success."""
        for name, accessory in whole.accessories.items() if whole.command in ON_ACCESSORIES else ():
            self._require_listed(config, accessory.hosts, "accessories", name)
        present = self._variables["ansible_play_hosts_all"]
        limit = self._variables.get("ansible_limit")
        if limit and whole.command in ABOUT_ACCESSORIES and not set(whole.all_hosts).intersection(present):
            hosts = ", ".join(whole.all_hosts)
            message = f"{', '.join(whole.accessories)}: on {hosts}, none of which is among the hosts of this run"
            raise ConfigError([Problem(message, where="--limit")])

    def _require_app_hosts(self) -> None:
        given = self._value("kamal_hosts") or self._value("kamal_config") or self._value("kamal_config_file")
        groups = self._variables["groups"]
        listed = groups.get("app") or groups.get("accessories") or groups.get("loadbalancer")
        if not given and not listed and not self._is_for_this_machine():
            file = os.path.join(os.getcwd(), source.DEFAULT_FILE)
            raise ConfigError([Problem(NO_APP_HOSTS if os.path.exists(file) else NO_PROJECT.format(file))])

    def _is_for_this_machine(self) -> bool:
        """Whether localhost is the only server: Ansible has it without an inventory."""
        try:
            config = source.from_task_vars(self._variables, self._value, os.getcwd())
        except CaravanError:
            return False
        return config.topology.boot_order == [LOCALHOST]

    def _run(self, config: Config, arguments: Mapping[str, Any]) -> Run:
        image = self._image(arguments["command"])
        build = arguments["build"] if arguments["build"] is not None else self._flag("kamal_build", True)
        return Run(
            version=self._version(config, arguments),
            hosts=self._hosts(config, arguments["command"]),
            local_hosts=[host for host in config.topology.boot_order if self._is_local(host)],
            inventory=self._variables["groups"]["all"],
            command=arguments["command"],
            performer=git.user(config.project_root),
            build=build and arguments["command"] in BUILDING and not image,
            image=image,
            skip_hooks=self._flag("kamal_skip_hooks", False),
            hooks=self._value("kamal_hooks") or {},
            hooks_timeout=int(self._value("kamal_hooks_timeout") or hooks.SECONDS),
            secrets_from=self._secrets_from(arguments["command"]),
            lock_host=self._value("kamal_lock_host"),
            accessory=self._value("kamal_accessory"),
            roles=self._roles(config, arguments["command"]),
            primary=self._is_for_first_host(arguments["command"]),
            addresses=self._addresses(config),
            forks=int(context.CLIARGS.get("forks") or constants.DEFAULT_FORKS),
        )

    def _roles(self, config: Config, command: str) -> List[str]:
        """The roles that alone take part; none means all."""
        names = [role.name for role in config.topology.roles]
        chosen = references.chosen_roles(self._value("kamal_roles"), names)
        if command not in ON_ROLES and (chosen or self._is_for_first_host(command)):
            message = "this playbook is about whole hosts: choose them with --limit"
            raise ConfigError([Problem(message, where="kamal_roles" if chosen else "kamal_primary")])
        return chosen

    def _is_for_first_host(self, command: str) -> bool:
        """A terminal is one of one host."""
        has_terminal = command in ("exec", "inspect") and self._flag("kamal_interactive", False)
        return has_terminal or self._flag("kamal_primary", False)

    def _secrets_from(self, command: str) -> str:
        if command == "env_push":
            return CONTROLLER
        if command == "rollback" and self._value("kamal_rollback_secrets") == "with_release":
            return RELEASE
        return CONTROLLER if self._flag("kamal_env_push", True) else HOSTS

    def _hosts(self, config: Config, command: str) -> List[str]:
        """The configured hosts that take part: all of them, or those that --limit leaves."""
        topology = config.topology
        part = topology.of_roles(self._roles(config, command)).boot_order
        configured = self._first_host(part) if self._is_for_first_host(command) else part
        for key, named in (("servers", configured), ("loadbalancer", topology.balancers)):
            self._require_listed(config, named, key)
        present = self._variables["ansible_play_hosts_all"]
        absent = [host for host in configured if host not in present]
        if absent and not self._variables.get("ansible_limit"):
            hosts = ", ".join(absent)
            remedy = "Run it over all of them (-e kamal_hosts=PATTERN), or choose with --limit."
            message = f"{hosts}: not among the hosts of this play. {remedy}"
            raise ConfigError([Problem(message, "servers", config.where("servers"))])
        return [host for host in configured if host in present]

    def _first_host(self, part: List[str]) -> List[str]:
        """The first of those that --limit leaves."""
        if not self._variables.get("ansible_limit"):
            return part[:1]
        left = [host for host in part if host in self._variables["ansible_play_hosts_all"]]
        if part and not left:
            message = f"the first of {', '.join(part)} is to take part, none of which is among the hosts of this run"
            raise ConfigError([Problem(message, where="--limit")])
        return left[:1]

    def _require_listed(self, config: Config, hosts: Sequence[str], *keys: str) -> None:
        """Ansible only warns of a host that its inventory does not have, and goes on without it."""
        inventory = [*self._variables["groups"]["all"], LOCALHOST]
        missing = ", ".join(host for host in hosts if host not in inventory)
        if missing:
            message = f"{missing}: not in the inventory. Add it there, or correct its name here."
            raise ConfigError([Problem(message, "/".join(keys), config.where(*keys))])

    def _addresses(self, config: Config) -> Dict[str, str]:
        """Where Ansible reaches hosts of roles, which a load balancer may do too."""
        hostvars, hosts = self._variables["hostvars"], config.topology.boot_order
        given = {host: hostvars[host].get("ansible_host") for host in hosts if host in hostvars}
        return {host: str(address) for host, address in given.items() if address}

    def _is_local(self, host: str) -> bool:
        hostvars = self._variables["hostvars"]
        return host in hostvars and bool(hostvars[host].get("ansible_connection") == "local")

    def _version(self, config: Config, arguments: Mapping[str, Any]) -> str:
        wanted = arguments["version"] or self._wanted_version(arguments["command"])
        if arguments["command"] in WITHOUT_VERSION:
            return version.of_what_runs(wanted, config, arguments["command"])
        histories = {host: HostInfo.of(answer) for host, answer in arguments["histories"].items()}
        part = config.topology.of_roles(self._roles(config, arguments["command"]))
        roles = {host: [role.name for role in part.on_host(host)] for host in histories}
        if arguments["command"] in REBOOTING:
            return version.to_boot(wanted and str(wanted), histories, roles)
        named = version.named(wanted and str(wanted), histories, roles)
        image = self._image(arguments["command"])
        return named or (version.of_image(image) if image else version.of_checkout(config))

    def _image(self, command: str) -> Optional[str]:
        """One that was built elsewhere. With a version of its own it has to be named all the same."""
        image = self._value("kamal_image")
        return str(image) if image and command in BOOTING else None

    def _wanted_version(self, command: str) -> Any:
        if command == "rollback":
            return invocation.rollback_version(self._variables, self._loader, self._value) or PREVIOUS
        return self._value("kamal_version") or os.environ.get("VERSION")


def _unrecorded(whole: Plan) -> List[str]:
    wanted = whole.output.file or whole.output.otel
    is_recorded = RECORDER in (constants.config.get_config_value("CALLBACKS_ENABLED") or ())
    return [] if is_recorded or not wanted or whole.command == "inspect" else [UNRECORDED]
