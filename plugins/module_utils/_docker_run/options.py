# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of `docker run`: what is wrong with them, and what they make of the body of `POST /containers/create`."""

from __future__ import annotations

import difflib
from typing import Any, Iterable, List, Mapping, Tuple

from .._errors import ConfigError, Problem
from .table import EXCLUDING, FLAGS, REFUSED, SHORT, Flag
from .tree import Body, merge, network_mode

NO_ENDPOINT = ("host", "none")
MODES = (*NO_ENDPOINT, "bridge", "default")


def problems(options: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """What is wrong with these options: (option, message)."""
    wrong = [(str(name), message) for name, value in options.items() for message in _wrong(str(name), value)]
    return wrong + list(_conflicts({name for name, value in options.items() if value is not False}))


def apply(options: Mapping[str, Any], body: Body) -> None:
    """Write the options into a create body: lists grow, maps merge, single values are replaced."""
    wrong = problems(options)
    if wrong:
        raise ConfigError([Problem(message, key_path=f"options/{name}") for name, message in wrong])
    before = network_mode(body)
    for name, flag in FLAGS.items():
        if name in options:
            flag.write(body, _words(flag, options[name]))
            if name == "network":
                _move_endpoint(body, before)
    if "Env" in options or "env" in options:
        body["Env"] = list({line.partition("=")[0]: line for line in body.get("Env", [])}.values())


def add_ports(specs: Iterable[str], body: Body) -> None:
    """Publish ports as `--publish` does."""
    apply({"publish": list(specs)}, body)


def add_volumes(specs: Iterable[str], body: Body) -> None:
    """Bind folders and volumes as `--volume` does."""
    apply({"volume": list(specs)}, body)


def keep_network(options: Mapping[str, Any], body: Body) -> Mapping[str, Any]:
    """The options without a `network` that the container joins beside its own. One that is a mode stays."""
    name, own = options.get("network"), network_mode(body)
    if not isinstance(name, str) or name == own or is_mode(name) or list(_wrong("network", name)):
        return options
    merge(body, {"NetworkingConfig": {"EndpointsConfig": {own: {}, name: {}}}})
    return {key: value for key, value in options.items() if key != "network"}


def is_mode(network: str) -> bool:
    """Whether it is a way to have no network of one's own."""
    return network in MODES or network.startswith("container:")


def _wrong(name: str, value: Any) -> Iterable[str]:
    flag = FLAGS.get(name)
    if flag is None:
        yield _unknown(name)
    elif name == "restart" and value is False:
        yield 'must be text: put no in quotes ("no"), because YAML reads a bare no as false'
    else:
        try:
            flag.write({}, _words(flag, value))
        except ValueError as error:
            yield str(error)


def _unknown(name: str) -> str:
    dashed = name.lstrip("-").replace("_", "-")
    if name in REFUSED:
        return REFUSED[name]
    known = SHORT.get(dashed) or (dashed if dashed in FLAGS else None)
    near = [known] if known else difflib.get_close_matches(dashed, FLAGS, n=1)
    return "is not an option of docker run" + (f"; did you mean {near[0]}?" if near else "")


def _conflicts(given: Iterable[Any]) -> Iterable[Tuple[str, str]]:
    names = set(given)
    for name, others in EXCLUDING:
        for other in sorted(names.intersection(others)) if name in names else ():
            yield name, f"cannot go together with {other}"
    if "memory-swap" in names and "memory" not in names:
        yield "memory-swap", "needs memory beside it"


def _words(flag: Flag, value: Any) -> List[str]:
    """Kamal's rules: true is a bare flag, a list repeats it, false leaves it out."""
    if value is False:
        return []
    if flag.switch:
        if value is not True:
            raise ValueError(f"must be true or false, not {value!r}")
        return [""]
    if isinstance(value, (list, tuple)):
        if not flag.many:
            raise ValueError("takes one value, not a list")
        return [_word(item) for item in value]
    return [_word(value)]


def _word(value: Any) -> str:
    if value is None:
        raise ValueError("has no value: write one, or false to leave the option out")
    if isinstance(value, bool):
        raise ValueError("needs a value: it is no switch")
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"must be text, a number or a list of them, not {value!r}")
    return str(value)


def _move_endpoint(body: Body, before: str) -> None:
    """Settings of the old network's endpoint belong to the chosen network, if that can have any."""
    endpoints = body.get("NetworkingConfig", {}).get("EndpointsConfig", {})
    after = network_mode(body)
    if before in endpoints and after != before:
        settings = endpoints.pop(before)
        if after not in NO_ENDPOINT and not after.startswith("container:"):
            endpoints[after] = settings
