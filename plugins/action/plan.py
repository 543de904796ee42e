# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the plan of a run on the controller: configuration, version, hosts, secrets, all before any host is touched."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._app import history
from ..module_utils._build import git
from ..module_utils._errors import CaravanError, ConfigError, Problem, VersionError
from ..plugin_utils import invocation
from ..plugin_utils.config import source
from ..plugin_utils.config.topology import Topology
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.planner import Run, plan

NO_APP_HOSTS = (
    "There are no app hosts. Either the configuration was not read as an inventory: add\n"
    "  [inventory]\n"
    "  enable_plugins = caravan.kamal.deploy, host_list, script, auto, yaml, ini\n"
    "to ansible.cfg (the playbook caravan.kamal.init writes it), or use -i caravan.yml with the lines\n"
    "  plugin: caravan.kamal.deploy\n"
    "  config: config/deploy.yml\n"
    "Or your own inventory has no group app: name the hosts with -e kamal_hosts=PATTERN."
)


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        self._variables = task_vars
        _spec, arguments = self.validate_argument_spec(
            {
                "command": {
                    "type": "str",
                    "default": "deploy",
                    "choices": ["deploy", "redeploy", "rollback", "setup", "remove", "inspect"],
                },
                "version": {"type": "str"},
                "histories": {"type": "dict", "default": {}},
                "build": {"type": "bool"},
            }
        )
        try:
            invocation.require_sound(task_vars, self._loader, self._value)
            made = self._plan(arguments)
        except CaravanError as error:
            return {**result, "failed": True, "msg": error.message}
        for notice in made["notices"]:
            Display().warning(notice)
        return {**result, "changed": False, "plan": made}

    def _plan(self, arguments):
        self._require_app_hosts()
        invocation.require_one_service(self._variables)
        config = source.from_task_vars(self._variables, self._value, os.getcwd())
        run = self._run(config, arguments)
        made = plan(config, run)
        if arguments["command"] != "inspect":
            handover.secrets(made, self._given_secrets()).require(made["secrets"])
        return made

    def _given_secrets(self):
        given = self._value("kamal_secrets")
        if given is not None and not isinstance(given, Mapping):
            message = 'expected a map of names to values; as an extra variable: -e \'{"kamal_secrets": {"NAME": "…"}}\''
            raise ConfigError([Problem(message, where="kamal_secrets")])
        return given

    def _value(self, name):
        return self._templar.template(self._variables[name]) if name in self._variables else None

    def _flag(self, name, default):
        value = self._value(name)
        return default if value is None else boolean(value)

    def _require_app_hosts(self):
        given = self._value("kamal_hosts") or self._value("kamal_config") or self._value("kamal_config_file")
        if not given and not self._variables["groups"].get("app"):
            raise ConfigError([Problem(NO_APP_HOSTS)])

    def _run(self, config, arguments):
        build = arguments["build"] if arguments["build"] is not None else self._flag("kamal_build", True)
        return Run(
            version=self._version(config, arguments),
            hosts=self._hosts(config),
            local_hosts=[host for host in self._variables["groups"]["all"] if self._is_local(host)],
            command=arguments["command"],
            performer=git.user(config.project_root),
            build=build and arguments["command"] in ("deploy", "redeploy", "setup"),
            skip_hooks=self._flag("kamal_skip_hooks", False),
        )

    def _hosts(self, config):
        """The configured hosts that take part: all of them, or those that --limit leaves."""
        configured = Topology(config.data).boot_order
        unknown = [host for host in configured if host not in self._variables["groups"]["all"]]
        if unknown:
            message = f"{', '.join(unknown)}: not in the inventory. Add it there, or correct its name here."
            raise ConfigError([Problem(message, "servers", config.where("servers"))])
        present = self._variables["ansible_play_hosts_all"]
        absent = [host for host in configured if host not in present]
        if absent and not self._variables.get("ansible_limit"):
            hosts = ", ".join(absent)
            remedy = "Run it over all of them (-e kamal_hosts=PATTERN), or choose with --limit."
            message = f"{hosts}: not among the hosts of this play. {remedy}"
            raise ConfigError([Problem(message, "servers", config.where("servers"))])
        return [host for host in configured if host in present]

    def _is_local(self, host):
        return self._variables["hostvars"][host].get("ansible_connection") == "local"

    def _version(self, config, arguments):
        wanted = arguments["version"] or self._wanted_version(arguments["command"])
        if arguments["command"] in ("inspect", "remove") or (wanted == "previous" and not arguments["histories"]):
            return str(wanted or "none")
        if wanted == "previous":
            wanted = _previous(arguments["histories"])
        if wanted:
            history.require_everywhere(str(wanted), _containers(arguments["histories"]))
            return str(wanted)
        if not git.is_repository(config.project_root):
            raise VersionError(
                f"There is no version: {config.project_root} is not a git checkout. "
                "Name one with -e kamal_version=VERSION or the environment variable VERSION."
            )
        return git.version(config.project_root, context_given="context" in (config.data.get("builder") or {}))

    def _wanted_version(self, command):
        if command == "rollback":
            return invocation.rollback_version(self._variables, self._loader, self._value)
        return self._value("kamal_version") or os.environ.get("VERSION")


def _previous(histories):
    records = {host: info["history"] for host, info in histories.items()}
    running = {host: next(iter(info["running"].values()), None) for host, info in histories.items()}
    return history.previous_good(records, running)


def _containers(histories):
    return {host: info["containers"] for host, info in histories.items()}
