# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every variable that a user may set. docs/operating.md is written from this table; the roles' specs agree with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, Optional, Tuple

from ..module_utils._durations import moment, pattern

PREFIX = "kamal_"


@dataclass(frozen=True)
class Variable:
    """`default` and `meaning` are for the documentation; `type`, `choices` and `read`, which raises a ValueError, are
    what is checked."""

    name: str
    type: str
    default: str
    meaning: str
    choices: Tuple[str, ...] = ()
    read: Optional[Callable[[str], object]] = None


def _moment(word: str) -> int:
    return moment(word, 0)


VARIABLES: Tuple[Variable, ...] = (
    Variable(
        "kamal_version",
        "str",
        "environment `VERSION`, then the git commit; `rollback`: the one before; `app.boot`, `app.exec`: the live one",
        "the version that a playbook is about",
    ),
    Variable("kamal_destination", "str", "none", "the destination, as in `config/deploy.DESTINATION.yml`"),
    Variable(
        "kamal_build", "bool", "`true`", "build and push the image first; `false` deploys what the registry has now"
    ),
    Variable(
        "kamal_image",
        "str",
        "none",
        "an image that was built elsewhere, by tag or digest; it is deployed as it is, and nothing is built",
    ),
    Variable(
        "kamal_build_host",
        "str",
        "the host that `builder/remote` names, else `localhost`",
        "the inventory host that builds, to which the commit is sent; with `builder/context` the project is there",
    ),
    Variable(
        "kamal_build_force",
        "bool",
        "`false`",
        "build and push although the image is there; every step anew, unless `kamal_build_cache=true`",
    ),
    Variable(
        "kamal_build_cache",
        "bool",
        "not `kamal_build_force`",
        "`false` builds every step anew, without Docker's cache, and pushes",
    ),
    Variable("kamal_registry_image", "str", "`registry:3`", "what is started for `registry/server: localhost:PORT`"),
    Variable("kamal_force", "bool", "`false`", "replace containers although nothing differs"),
    Variable("kamal_lock_wait", "int", "`0`", "seconds to wait while another run holds the lock"),
    Variable(
        "kamal_lock_host",
        "str",
        "the first host of the full plan",
        "another host of the plan keeps the lock while the first is down; runs that do not say so do not see it",
    ),
    Variable(
        "kamal_kept_process",
        "bool",
        "`true`",
        "keep one process for the modules of a run on each host; `false` starts Python anew for each of them",
    ),
    Variable(
        "kamal_network_ipv6", "bool", "`false`", "make the network of the containers with IPv6, where it has to be made"
    ),
    Variable("kamal_skip_hooks", "bool", "`false`", "run no hook at all"),
    Variable(
        "kamal_hooks",
        "dict",
        "`{}`",
        "by hook a task file that runs in its place, or its `file`, `on`, `secrets`, `timeout`: see [hooks](hooks.md)",
    ),
    Variable("kamal_hooks_timeout", "int", "`600`", "seconds that one hook may take"),
    Variable(
        "kamal_secrets", "dict", "`{}`", "secret values by name, as a map; they win over the project's secrets files"
    ),
    Variable(
        "kamal_secrets_commands",
        "bool",
        "`true`",
        "run `$(command)` in the project's secrets files when a run needs a secret of theirs, also with `--check`",
    ),
    Variable("kamal_secrets_timeout", "int", "`120`", "seconds that one command in a secrets file may take"),
    Variable("kamal_secrets_adapter", "str", "none", "`secrets.fetch`, `secrets.extract`: the password manager to ask"),
    Variable("kamal_secrets_account", "str", "none", "the same: the account, where the adapter needs one"),
    Variable("kamal_secrets_from", "str", "none", "the same: the vault, item, folder, project or file to look in"),
    Variable("kamal_secrets_names", "list", "all that there are", "the same: the names of the secrets"),
    Variable(
        "kamal_secrets_fetched", "str", "none", "`secrets.extract`: what was fetched, instead of asking; from a file"
    ),
    Variable("kamal_secrets_show", "bool", "`false`", "the playbooks `secrets.…`: print the values too"),
    Variable(
        "kamal_env_push",
        "bool",
        "`true`",
        "`false` starts containers with the secrets in the hosts' own env files; the controller needs none",
    ),
    Variable(
        "kamal_rollback_secrets",
        "str",
        "`current`",
        "`rollback`: with today's secrets, or with those that the version went live with on each host",
        ("current", "with_release"),
    ),
    Variable("kamal_config", "dict", "none", "the configuration as a variable instead of a file"),
    Variable(
        "kamal_config_file",
        "path",
        "`config/deploy.yml` below the current folder",
        "the configuration file; the inventory plugin sets it",
    ),
    Variable(
        "kamal_project_root",
        "path",
        "the folder above `config/`, or the file's own; with `kamal_config` the current one",
        "where relative paths of the configuration begin",
    ),
    Variable(
        "kamal_role_groups",
        "dict",
        "none",
        "inventory groups that fill the roles of a `kamal_config` without `servers`: `{web: webservers}`",
    ),
    Variable("kamal_hosts", "str", "`app`", "the hosts that a playbook runs over"),
    Variable(
        "kamal_roles",
        "list",
        "all",
        "`deploy`, `redeploy`, `rollback`, `details`, `app.…`, `server.exec`: only these roles take part, by name or "
        "by pattern, as in `web,job*`",
    ),
    Variable("kamal_primary", "bool", "`false`", "the same: only the first of the hosts takes part"),
    Variable(
        "kamal_erb",
        "str",
        "`safe`",
        "`ruby` renders ERB in the file with the Ruby that is installed",
        ("safe", "ruby"),
    ),
    Variable("kamal_erb_commands", "bool", "`false`", "let commands in the file's ERB run"),
    Variable(
        "kamal_engine_packages",
        "list",
        "`[docker.io, python3-docker]` with apt, else none",
        "`setup`, `server.bootstrap`: what is installed where Docker or its Python library is missing",
    ),
    Variable(
        "kamal_proxy_recreate",
        "bool",
        "`false`",
        "`setup`, `proxy.boot`: replace a kamal-proxy whose settings or image differ; requests are refused meanwhile",
    ),
    Variable("kamal_accessory", "str", "none", "`accessory.…`: the accessory that it is about, or `all`"),
    Variable(
        "kamal_accessory_backup",
        "bool",
        "`true`",
        "make the `backup` of an accessory before it is replaced; `false` replaces it without",
    ),
    Variable(
        "kamal_accessory_data",
        "str",
        "`keep`",
        "`remove`, `accessory.remove`: `delete` removes the folder and the volumes of an accessory too",
        ("keep", "delete"),
    ),
    Variable("kamal_cmd", "str", "none", "`…exec`: the command to run"),
    Variable(
        "kamal_reuse",
        "bool",
        "`false`",
        "`app.exec`, `accessory.exec`: run it in the container that runs, not in a new one like it",
    ),
    Variable("kamal_cmd_env", "dict", "`{}`", "the same: variables that the command has beside those of the container"),
    Variable("kamal_detach", "bool", "`false`", "`app.exec`: start it in a new container and do not wait for its end"),
    Variable(
        "kamal_interactive",
        "bool",
        "`false`",
        "`…exec`: open a terminal for it on the first host, or print the one command that does",
    ),
    Variable(
        "kamal_raw",
        "path",
        "none",
        "`…exec`: a file on this machine that gets what the command writes, byte for byte; for a command in one place",
    ),
    Variable(
        "kamal_proxy_rolling",
        "bool",
        "`true`",
        "`proxy.reboot`, `proxy.upgrade`, `proxy.restart`, `upgrade`: one host after the other; `false`: all at once",
    ),
    Variable(
        "kamal_proxy_boot_config",
        "str",
        "`get`",
        "`proxy.boot_config`: `reset` removes the files that Kamal keeps on hosts of how kamal-proxy is run",
        ("get", "reset"),
    ),
    Variable("kamal_proxy_force", "bool", "`false`", "`proxy.remove`: although kamal-proxy still routes apps"),
    Variable("kamal_stop", "bool", "`false`", "`app.stale`: stop the containers that it lists"),
    Variable("kamal_confirm", "bool", "`false`", "`…remove`, `proxy.reboot`, `proxy.upgrade`, `upgrade`: yes, do it"),
    Variable("kamal_upgrade_write", "bool", "`false`", "`upgrade`: write the configuration that it shows for Kamal 2"),
    Variable(
        "kamal_confirm_data", "bool", "`false`", "`…remove` with `kamal_accessory_data=delete`: yes, the data too"
    ),
    Variable("kamal_maintenance_message", "str", "none", "`app.maintenance`: what the page says"),
    Variable(
        "kamal_maintenance_drain_timeout",
        "int",
        "`drain_timeout` of the configuration",
        "`app.maintenance`: seconds that requests under way may still take",
    ),
    Variable("kamal_pause_max", "int", "`30`", "`app.pause`: seconds that a request waits at most"),
    Variable("kamal_pause_drain_timeout", "int", "`drain_timeout`", "`app.pause`: seconds for requests under way"),
    Variable(
        "kamal_logs_lines",
        "int",
        "`100`; all with `kamal_logs_since` or `kamal_logs_grep`",
        "`…logs`: how many",
    ),
    Variable(
        "kamal_logs_since", "str", "none", "`…logs`: from this time on, or for this long, as in `10m`", read=_moment
    ),
    Variable("kamal_logs_grep", "str", "none", "`…logs`: only lines that match this regular expression", read=pattern),
    Variable(
        "kamal_logs_grep_options",
        "str",
        "none",
        "the same: options such as `-i -C 3` of the hosts' `grep`, which then chooses the lines",
    ),
    Variable("kamal_logs_timestamps", "bool", "`true`", "`…logs`: each line begins with its time"),
    Variable("kamal_logs_container", "str", "none", "`app.logs`: of this container alone, by its name or ID"),
    Variable(
        "kamal_logs_follow",
        "bool",
        "`false`",
        "`app.logs`, `accessory.logs`, `proxy.logs`: print lines of all hosts as they come, until Ctrl-C",
    ),
    Variable(
        "kamal_prune_retain",
        "int",
        "`retain_containers` of the configuration",
        "`prune.all`, `prune.containers`: how many stopped containers of each role stay",
    ),
    Variable(
        "kamal_init_makefile",
        "path",
        "none",
        "`init`: a file to write, with a target of make for each playbook: `caravan.mk`",
    ),
    Variable("kamal_init_justfile", "path", "none", "`init`: the same with recipes of just: `caravan.just`"),
    Variable(
        "kamal_init_completion",
        "path",
        "none",
        "`init`: a file to write that has bash complete names of playbooks and variables",
    ),
    Variable("kamal_alias", "str", "none: the aliases are listed", "`alias`: the alias of the configuration to run"),
    Variable("kamal_help", "bool", "`false`", "print what the playbook does and its variables, and do nothing"),
    Variable("kamal_broadcast", "str", "none", "`broadcast`: the message"),
    Variable("kamal_audit_lines", "int", "`50`", "`audit`: how many lines of each host"),
    Variable(
        "kamal_format",
        "str",
        "`text`",
        "`json` prints what a playbook lists for a program, and nothing else on its standard output",
        ("text", "json"),
    ),
    Variable("kamal_docs_section", "str", "none: the sections are listed", "`docs`: the section to explain"),
    Variable("kamal_lock_message", "str", "none", "`lock.acquire`: why it is taken, for people"),
    Variable(
        "kamal_lock_ttl",
        "int",
        "`0`",
        "`lock.acquire`: seconds until a lock taken by hand expires; with `0` it never does",
    ),
)
BY_NAME: Dict[str, Variable] = {variable.name: variable for variable in VARIABLES}
