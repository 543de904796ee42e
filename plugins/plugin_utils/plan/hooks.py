# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hooks a run has: scripts in the project's folder of hooks, and what the variable kamal_hooks says of each."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from ...module_utils._errors import ConfigError, Problem
from ..config.findings import near_miss
from ..config.load import Config
from ..config.rules_sections import HOOKS
from .model import Hook
from .run import BOOTING, REBOOTING, Run

VARIABLE = "kamal_hooks"
SCRIPT, TASKS = "script", "tasks"
CONTROLLER, ONCE, HOSTS = "controller", "once", "hosts"
PLACES = (CONTROLLER, ONCE, HOSTS)
OPTIONS = ("file", "on", "secrets", "timeout")
ALL = "all"
# Kamal hands these every secret of the project's files, and the others none.
WITH_SECRETS = ("pre-connect", "pre-deploy", "post-deploy", "broadcast", "on-failure")
FORMER = {"pre-traefik-reboot": "pre-proxy-reboot", "post-traefik-reboot": "post-proxy-reboot"}
# A script keeps its language to itself: `pre-deploy.sh` is no hook.
ENDINGS = ("", ".sh", ".bash", ".rb", ".py")
SKIP = "or go without any hook: -e kamal_skip_hooks=true"

Setting = Mapping[str, Any]


def find(config: Config, run: Run, builds: bool) -> Dict[str, Hook]:
    """The hooks that this run may come to, by name; `builds` is whether there is an image to build.

    Raises ConfigError for all that cannot be run as it is.
    """
    if run.skip_hooks:
        return {}
    problems: List[Problem] = []
    settings = dict(_settings(run.hooks, problems))
    found = {name: _hook(config, run, name, settings.get(name, {}), problems) for name in _due(run, builds)}
    problems += _former(config)
    if problems:
        raise ConfigError(problems)
    return {name: hook for name, hook in found.items() if hook}


def _due(run: Run, builds: bool) -> List[str]:
    """In the order in which Kamal has them."""
    boots = run.command in BOOTING
    deploys = boots and run.command not in REBOOTING
    due = {
        "pre-connect": True,
        "docker-setup": run.command in ("setup", "bootstrap"),
        "pre-build": builds,
        "post-push": builds,
        "pre-deploy": deploys,
        "pre-app-boot": boots,
        "post-app-boot": boots,
        "pre-proxy-reboot": run.command != "inspect",
        "post-proxy-reboot": run.command != "inspect",
        "post-deploy": deploys,
        "broadcast": run.command == "broadcast",
        "on-failure": run.command != "inspect",
    }
    return [name for name, is_due in due.items() if is_due]


def _hook(config: Config, run: Run, name: str, setting: Setting, problems: List[Problem]) -> Optional[Hook]:
    script = os.path.join(config.project_root, config.data["hooks_path"], name)
    tasks = setting.get("file")
    if tasks:
        file = os.path.join(config.project_root, str(tasks))
        if not os.path.isfile(file):
            problems.append(Problem(f"there is no file {file}", where=f"{VARIABLE}/{name}"))
    elif os.path.isfile(script):
        file = script
        if not os.access(script, os.X_OK):
            message = f"this hook is not executable, so that it cannot run. Make it so (chmod +x {script}), {SKIP}"
            problems.append(Problem(message, where=script))
    else:
        return None
    return Hook(
        file=file,
        kind=TASKS if tasks else SCRIPT,
        on=str(setting.get("on") or CONTROLLER),
        output=_output(config.data.get("hooks_output"), name),
        timeout=int(setting.get("timeout") or run.hooks_timeout),
        secrets=_secrets(name, setting),
    )


def _output(section: Any, name: str) -> Optional[str]:
    """`quiet`, `verbose` or neither; a word for all hooks, or one for each."""
    word = section.get(name) if isinstance(section, Mapping) else section
    return str(word).lstrip(":") if word is not None else None


def _secrets(name: str, setting: Setting) -> Optional[List[str]]:
    """The names of the secrets that a hook gets; None for all that there are."""
    given = setting.get("secrets", ALL if name in WITH_SECRETS else [])
    return None if given == ALL else [str(secret) for secret in given]


def _former(config: Config) -> Iterator[Problem]:
    folder = os.path.join(config.project_root, config.data["hooks_path"])
    for name, now in FORMER.items():
        if os.path.exists(os.path.join(folder, name)):
            yield Problem(f"Kamal 2 has kamal-proxy: rename this hook to {now}", where=os.path.join(folder, name))


def notices(config: Config, run: Run) -> Iterator[str]:
    """What is said of hooks that are not there, and scripts that nothing runs: their names are only nearly hooks'."""
    folder = os.path.join(config.project_root, config.data["hooks_path"])
    if run.skip_hooks or run.command not in BOOTING:
        return
    for name, setting in run.hooks.items():
        script = os.path.join(folder, name)
        if isinstance(setting, Mapping) and not setting.get("file") and not os.path.isfile(script):
            said = f"{VARIABLE}/{name} says something of a hook that is not there"
            yield f"{said}: it names no file, and there is no {script}."
    if not os.path.isdir(folder):
        return
    known = [*HOOKS, "pre-init", *FORMER]
    for file in sorted(set(os.listdir(folder)).difference(known)):
        stem, ending = os.path.splitext(file)
        meant = get_close_matches(stem.lower().replace("_", "-"), known, n=1, cutoff=0.85)
        if meant and ending in ENDINGS and os.access(os.path.join(folder, file), os.X_OK):
            yield f"{os.path.join(folder, file)} is not run: there is no hook of this name; did you mean {meant[0]}?"


# The variable


def _settings(given: Any, problems: List[Problem]) -> Iterator[Tuple[str, Setting]]:
    """By hook what the variable says of it: `NAME: FILE`, or `NAME: {file: …, on: …, secrets: …, timeout: …}`."""
    if not isinstance(given, Mapping):
        problems.append(Problem("expected a map of hooks, such as {pre-app-boot: tasks/drain.yml}", where=VARIABLE))
        return
    for name, setting in given.items():
        where = f"{VARIABLE}/{name}"
        if name not in HOOKS:
            known = f"there is no such hook{near_miss(str(name), HOOKS)}; they are {', '.join(HOOKS)}"
            problems.append(Problem(known, where=where))
            continue
        options: Union[Setting, Any] = {"file": setting} if isinstance(setting, str) else setting
        if not isinstance(options, Mapping):
            problems.append(Problem("expected a task file, or a map with " + ", ".join(OPTIONS), where=where))
            continue
        wrong = [Problem(message, where=f"{where}/{option}") for option, message in _wrong(options)]
        problems += wrong
        if not wrong:
            yield name, options


def _wrong(options: Setting) -> Iterator[Tuple[str, str]]:
    for option, value in options.items():
        if option not in OPTIONS:
            yield (
                str(option),
                f"there is no such option{near_miss(str(option), OPTIONS)}; they are {', '.join(OPTIONS)}",
            )
        elif not _CHECKS[option][0](value):
            yield option, f"expected {_CHECKS[option][1]}, not {value!r}"
    if "on" in options and not options.get("file"):
        yield "on", "a script runs on the controller; where something else runs is said of a task file, with file"


def _is_task_file(value: Any) -> bool:
    return isinstance(value, str) and value.endswith((".yml", ".yaml"))


def _is_names(value: Any) -> bool:
    return value == ALL or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def _is_seconds(value: Any) -> bool:
    return not isinstance(value, bool) and str(value).isdecimal() and int(value) > 0


_CHECKS: Dict[str, Tuple[Callable[[Any], bool], str]] = {
    "file": (_is_task_file, "a file of Ansible tasks, .yml or .yaml (a script lies in the folder of hooks)"),
    "on": (PLACES.__contains__, " or ".join(PLACES)),
    "secrets": (_is_names, f"a list of names of secrets, or {ALL}"),
    "timeout": (_is_seconds, "a number of seconds"),
}
