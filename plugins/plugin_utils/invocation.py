# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the operator typed: extra variables and tags, checked before anything is done with them."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from ansible import context
from ansible.parsing.splitter import parse_kv
from ansible.utils.vars import load_extra_vars

from ..module_utils._errors import ConfigError, Problem
from . import variable_checks

COLLECTION = "caravan.kamal."
# The tags that a playbook's stages can be chosen by.
ROLLOUT: Tuple[str, ...] = ("build", "rollout")
TAGS: Dict[str, Tuple[str, ...]] = {
    "deploy": ROLLOUT,
    "redeploy": ROLLOUT,
    "rollback": ("rollout",),
    "app.boot": ("rollout",),
    "setup": ("engine", "proxy", "accessories", *ROLLOUT),
}
# Variables of which a value may be a sentence or a command.
TEXTS = ("kamal_cmd", "kamal_broadcast", "kamal_lock_message", "kamal_maintenance_message", "kamal_logs_grep")
# What Ansible makes of words that belong to no variable.
WORDS = "_raw_params"
ANSIBLES_TAGS = ("all", "always", "never", "tagged", "untagged")
# Strategies with which hosts do not wait for each other, also those of mitogen.
OUT_OF_STEP = ("free", "host_pinned")


def require_sound(task_vars: Mapping[str, Any], loader: Any, value: Callable[[str], Any]) -> None:
    """Raise a ConfigError with everything that is wrong with what the operator asked for."""
    extra = load_extra_vars(loader)
    asked = playbooks()
    problems = [
        *cut_short(context.CLIARGS.get("extra_vars") or ()),
        *variable_checks.unknown(extra),
        *variable_checks.former(extra, asked, task_vars),
        *variable_checks.wrong_values(task_vars, value),
        *unknown_tags(asked, task_vars),
    ]
    if problems:
        raise ConfigError(problems)


def playbooks() -> List[str]:
    """What this run was started with, as `running` has it."""
    return running(context.CLIARGS.get("args") or ())


def running(arguments: Sequence[str]) -> List[str]:
    """The playbooks of this collection on the command line; none if there are others, whose variables are their own."""
    names = [argument[len(COLLECTION) :] for argument in arguments if argument.startswith(COLLECTION)]
    return names if len(names) == len(arguments) else []


def cut_short(given: Sequence[str]) -> List[Problem]:
    """Of what was given with -e, values of which Ansible takes the first word alone: the shell has taken their quotes.

    What they say is not repeated, since a command may hold a secret.
    """
    names = [_cut_short(text) for text in given if not text.startswith(("@", "{", "["))]
    return [
        Problem(
            "Ansible ends a value at its first space, unless it has quotes of its own inside those of the shell: "
            f'-e "{name}=\'…\'", or as JSON: -e \'{{"{name}": "…"}}\'',
            where=name,
        )
        for name in names
        if name
    ]


def _cut_short(text: str) -> str:
    """The variable whose value it is; empty where all words are variables of their own."""
    found = parse_kv(text)
    first = next(iter(found), "")
    is_cut = WORDS in found or (first in TEXTS and len(found) > 1)
    return first if is_cut and first != WORDS else ""


def unknown_tags(playbooks: Sequence[str], task_vars: Mapping[str, Any]) -> List[Problem]:
    """Tags that choose nothing: Ansible would do nothing and call it a success."""
    if not playbooks:
        return []
    known = [tag for playbook in playbooks for tag in TAGS.get(playbook, ())]
    asked = [
        (option, tag)
        for option, name in (("--tags", "ansible_run_tags"), ("--skip-tags", "ansible_skip_tags"))
        for tag in task_vars.get(name) or ()
    ]
    words = f"the tags are {', '.join(known)}" if known else "it has no tags"
    return [
        Problem(f"{tag} is no tag of {', '.join(playbooks)}; {words}", where=option)
        for option, tag in asked
        if tag not in known and tag not in ANSIBLES_TAGS
    ]


def require_step(strategy: str) -> None:
    """`strategy` is that of the play. With these Ansible passes over `run_once` and `any_errors_fatal`."""
    if strategy.rpartition(".")[2].endswith(OUT_OF_STEP):
        message = (
            f"with {strategy} hosts do not wait for each other, and the first at its end would release the deploy lock "
            "while others still change. Take linear: in ansible.cfg (strategy = linear), in the environment "
            "(ANSIBLE_STRATEGY) or in your play (strategy: linear), wherever it is set."
        )
        raise ConfigError([Problem(message, where="strategy")])


def rollback_version(task_vars: Mapping[str, Any], loader: Any, value: Callable[[str], Any]) -> Any:
    """The version to go back to that was asked for, if one was.

    A kamal_version of the inventory says what is deployed; going back to that would go nowhere.
    """
    wanted = value("kamal_version")
    inventory = task_vars["hostvars"][task_vars["inventory_hostname"]].get("kamal_version")
    is_meant = wanted != inventory or "kamal_version" in load_extra_vars(loader)
    return wanted if is_meant else None


def require_one_service(task_vars: Mapping[str, Any]) -> None:
    """A run has one plan, that of its first host: what others have in their own kamal_config would pass unseen."""
    hostvars, mine = task_vars["hostvars"], task_vars.get("kamal_config")
    raw = getattr(hostvars, "raw_get", hostvars.__getitem__)
    if mine is None or raw(task_vars["inventory_hostname"]).get("kamal_config") != mine:
        return
    others = [host for host in task_vars["ansible_play_hosts_all"] if raw(host).get("kamal_config", mine) != mine]
    hosts: Dict[str, str] = {}
    for host in (task_vars["inventory_hostname"], *others):
        hosts.setdefault(_service(hostvars[host]), host)
    if len(hosts) > 1:
        services = " and ".join(f"{service} (on {host})" for service, host in hosts.items())
        message = (
            f"These hosts have more than one service: {services}. A run deploys one. Name the hosts of one with "
            "-e kamal_hosts=PATTERN, or write a playbook with an import_playbook line for each, with its kamal_hosts."
        )
        raise ConfigError([Problem(message, where="kamal_hosts")])


def _service(variables: Mapping[str, Any]) -> str:
    config = variables["kamal_config"]
    return str(config.get("service")) if isinstance(config, Mapping) else str(config)
