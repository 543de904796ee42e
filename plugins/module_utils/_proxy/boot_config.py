# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files in which `kamal proxy boot_config` keeps on a host how kamal-proxy is run, as a `proxy/run` section."""

from __future__ import annotations

import shlex
from functools import partial
from typing import Any, Dict, List

from .._errors import ConfigError, Problem
from .._host import files
from .._host.changes import Changes
from .._names import PROXY_DIRECTORY
from .settings import DEFAULTS

FOLDER = PROXY_DIRECTORY
NAMES = ("options", "image", "image_version", "run_command")
COMMAND = ["kamal-proxy", "run"]


def found() -> Dict[str, str]:
    """What the files hold, by name; a file that is missing or empty leaves Kamal's default."""
    texts = {name: (files.read(f"{FOLDER}/{name}") or "").strip() for name in NAMES}
    return {name: text for name, text in texts.items() if text}


def section() -> Dict[str, Any]:
    """The same as a `proxy/run` section; empty without any file. Raises ConfigError for what no section can say."""
    texts = found()
    run: Dict[str, Any] = {}
    if "options" in texts:
        run.update(_options(texts["options"]))
    if "image" in texts:
        run["repository"] = texts["image"]
    if "image_version" in texts:
        run["version"] = texts["image_version"]
    if "run_command" in texts:
        run.update(_command(texts["run_command"]))
    if run.get("options", {}).get("expose") == [str(run.get("metrics_port"))]:
        del run["options"]["expose"]
    switches = {name: values or True for name, values in run.pop("options", {}).items()}
    return {**run, "options": switches} if switches else run


def reset(changes: Changes) -> None:
    """The files go; the container stays as it is until it is rebooted."""
    texts = found()
    for name in texts:
        changes.show(f"{FOLDER}/{name}", texts[name], None)
        changes.do(f"remove {FOLDER}/{name}", partial(files.remove, f"{FOLDER}/{name}"))


def _options(text: str) -> Dict[str, Any]:
    """Docker's options: they take the place of all that Kamal would say itself, ports and log size too."""
    given = _pairs(_words(text, "options"), "options")
    run: Dict[str, Any] = {"publish": False, "log_max_size": "", "options": given}
    ports = [port.rpartition(":") for port in given.get("publish", [])]
    if [port[2] for port in ports] == ["80", "443"] and all(port[0].isdecimal() for port in ports):
        del run["publish"], given["publish"]
        said = {"http_port": int(ports[0][0]), "https_port": int(ports[1][0])}
        run.update({key: value for key, value in said.items() if value != DEFAULTS[key]})
    sizes = given.get("log-opt", [])
    if len(sizes) == 1 and sizes[0].startswith("max-size="):
        del run["log_max_size"], given["log-opt"]
        if sizes[0] != f"max-size={DEFAULTS['log_max_size']}":
            run["log_max_size"] = sizes[0].partition("=")[2]
    return run


def _command(text: str) -> Dict[str, Any]:
    words = _words(text, "run_command")
    given = _pairs(words[2:], "run_command") if words[:2] == COMMAND else {"": []}
    run: Dict[str, Any] = {}
    for name, values in given.items():
        if name == "debug" and values in ([], ["true"]):
            run["debug"] = True
        elif name == "metrics-port" and len(values) == 1 and values[0].isdecimal():
            run["metrics_port"] = int(values[0])
        else:
            raise _unclear("run_command", text)
    return run


def _words(text: str, name: str) -> List[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise _unclear(name, text) from error


def _pairs(words: List[str], name: str) -> Dict[str, List[str]]:
    """`--name=value`, `--name value` and `--name`: the values of each name, in order."""
    given: Dict[str, List[str]] = {}
    open_name = ""
    for word in words:
        if word.startswith("--"):
            open_name, equals, value = word[2:].partition("=")
            given.setdefault(open_name, []).extend([value] if equals else [])
            open_name = "" if equals else open_name
        elif open_name:
            given[open_name].append(word)
            open_name = ""
        else:
            raise _unclear(name, " ".join(words))
    return given


def _unclear(name: str, text: str) -> ConfigError:
    place = files.absolute(f"{FOLDER}/{name}")
    message = f"found {text!r}, which has no form in proxy/run. Say it there in another way and remove this file"
    return ConfigError([Problem(message, "", place)])
