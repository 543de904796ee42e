# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The answers of hosts as plain text for people."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import yaml

from ...module_utils._names import PROXY_CONTAINER, short_id, short_version

NOTHING = "-"
NOT_REACHED = "no answer"
ABSENT = "absent"
# What boots a container whose logs were asked for.
BOOTS, BOOTED_BY = "caravan.kamal.accessory.boot", {PROXY_CONTAINER: "caravan.kamal.proxy.boot"}

KEY_ENDS = (
    "The key of ssh/key_data that this run came with ends with it. Have a key of your own there, or run this in a "
    "terminal: the run opens it itself then."
)

Answers = Mapping[str, Optional[Mapping[str, Any]]]


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    everything = [list(headers), *([cell or NOTHING for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in everything) for column in range(len(headers))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in everything)
    return "\n".join(line.rstrip() for line in lines)


def details(answers: Answers) -> str:
    """Answers of service_info: roles, the proxies, the load balancer, accessories."""
    parts = [
        table(
            ("HOST", "ROLE", "VERSION", "STATE", "HEALTH", "SINCE", "ROUTE"),
            [row for host, answer in answers.items() for row in _role_rows(host, answer)],
        ),
        table(("HOST", "PROXY", "IMAGE"), [_proxy_row(host, answer) for host, answer in answers.items() if answer]),
    ]
    balanced = [row for host, answer in answers.items() if answer for row in _balanced_rows(host, answer)]
    if balanced:
        parts.append(table(("HOST", "LOAD BALANCER", "FOR", "STATE", "SENDS TO", "DRAINED"), balanced))
    if any(answer["accessories"] for answer in answers.values() if answer):
        parts.append(accessories({host: answer for host, answer in answers.items() if answer}))
    return "\n\n".join(parts)


def containers(answers: Answers) -> str:
    """Answers of service_info: every container of the service, running or not."""
    return _listing(("CONTAINER", "STATE", "HEALTH", "SINCE", "IMAGE"), answers, _container_rows)


def _container_rows(answer: Mapping[str, Any]) -> List[Sequence[str]]:
    return [
        (item["name"], item["state"], item["health"] or "", item["status"], item["image"])
        for item in answer["containers"]
    ]


def images(answers: Answers) -> str:
    """Answers of service_info: the images, and what was made from each."""
    return _listing(("IMAGE", "ID", "CONTAINERS"), answers, _image_rows)


def _image_rows(answer: Mapping[str, Any]) -> List[Sequence[str]]:
    return [
        (tag, short_id(item["id"]), ", ".join(item["containers"]))
        for item in answer["images"]
        for tag in item["tags"] or [""]
    ]


def version(answers: Answers) -> str:
    """Answers of service_info: the version of each role that runs, whole, so that a rollback can be told it."""
    return _listing(("ROLE", "VERSION"), answers, lambda answer: list(answer["running"].items()))


def _listing(headers: Sequence[str], answers: Answers, rows: Callable[[Mapping[str, Any]], List[Sequence[str]]]) -> str:
    """A table with a line for each thing that a host has, and one for a host that has none or gave no answer."""
    lines: List[Sequence[str]] = []
    rest = [""] * (len(headers) - 1)
    for host, answer in answers.items():
        found = [NOT_REACHED, *rest] if answer is None else ["nothing here", *rest]
        lines += [(host, *row) for row in (rows(answer) if answer else []) or [found]]
    return table(("HOST", *headers), lines)


def accessories(answers: Answers) -> str:
    """Answers of service_info: accessories alone."""
    rows = [row for host, answer in answers.items() for row in _accessory_rows(host, answer)]
    return table(("HOST", "ACCESSORY", "STATE", "SINCE", "IMAGE"), rows)


def _role_rows(host: str, answer: Optional[Mapping[str, Any]]) -> List[Sequence[str]]:
    if answer is None:
        return [(host, "", "", NOT_REACHED, "", "", "")]
    rows = [_role_row(host, container, answer) for container in _telling(answer)]
    return rows or [(host, "", "", "nothing here", "", "", "")]


def _telling(answer: Mapping[str, Any]) -> List[Mapping[str, Any]]:
    """Everything that runs, and of a role of which nothing runs the newest container."""
    containers: List[Mapping[str, Any]] = []
    for container in answer["containers"]:
        if container["state"] in ("running", "restarting") or (
            container["role"] not in answer["running"]
            and container["role"] not in [other["role"] for other in containers]
        ):
            containers.append(container)
    return sorted(containers, key=lambda container: str(container["role"]))


def _role_row(host: str, container: Mapping[str, Any], answer: Mapping[str, Any]) -> Sequence[str]:
    routes = [route for route in answer["routes"].values() if _leads_to(route, container["name"])]
    return (
        host,
        container["role"],
        short_version(container["version"]),
        container["state"],
        container["health"] or "",
        container["status"],
        ", ".join(_route(route) for route in routes),
    )


def _leads_to(route: Mapping[str, Any], container: str) -> bool:
    return any(target.rpartition(":")[0] == container for target in route["targets"])


def _route(route: Mapping[str, Any]) -> str:
    hosts = ",".join(route["hosts"]) or "every host"
    prefixes = ",".join(prefix for prefix in route["path_prefixes"] if prefix != "/")
    state = "" if route["state"] == "running" else f" ({route['state']})"
    return f"{hosts}{prefixes}{state}"


def _proxy_row(host: str, answer: Mapping[str, Any]) -> Sequence[str]:
    return (host, answer["proxy"]["state"], answer["proxy"]["image"] or "")


def _balanced_rows(host: str, answer: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name, route in answer["balanced"].items():
        if route:
            serving, drained = ", ".join(route["serving"]), ", ".join(route["drained"])
            yield (host, name, ",".join(route["hosts"]) or "every host", route["state"], serving, drained)
        else:
            yield (host, name, "", "absent", "", "")


def _accessory_rows(host: str, answer: Optional[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    if answer is None:
        yield (host, "", NOT_REACHED, "", "")
        return
    for name, accessory in answer["accessories"].items():
        if accessory:
            yield (host, name, accessory["state"], accessory["status"], accessory["image"])
        else:
            yield (host, name, "absent", "", "")


def proxy(answers: Answers) -> str:
    """Answers of proxy_info: the containers, what is not as it should be, and every route."""
    told = {host: answer for host, answer in answers.items() if answer}
    containers = [
        (host, answer["state"], answer["image"] or "", answer["since"] or "") if answer else (host, NOT_REACHED, "", "")
        for host, answer in answers.items()
    ]
    routes = [_proxy_route(host, *item) for host, answer in told.items() for item in answer["routes"].items()]
    differing = [(host, answer["differs"]) for host, answer in told.items() if answer["differs"]]
    parts = [table(("HOST", "PROXY", "IMAGE", "SINCE"), containers)]
    if routes:
        parts.append(table(("HOST", "ROUTE", "FOR", "TLS", "STATE", "TARGETS"), routes))
    if differing:
        parts.append("Not as it would be after caravan.kamal.proxy.upgrade:\n\n" + _sections(differing))
    return "\n\n".join(parts)


def _proxy_route(host: str, name: str, route: Mapping[str, Any]) -> Sequence[str]:
    state = f"{route['state']}: {route['message']}" if route["message"] else str(route["state"])
    served = _route({**route, "state": "running"})
    return (host, name, served, "yes" if route["tls"] else "", state, ", ".join(route["targets"]))


def boot_config(answers: Answers) -> str:
    """Answers of proxy_boot_config: the files, and what they would be in the configuration."""
    return _sections((host, _boot_config(answer) if answer else None) for host, answer in answers.items())


def _boot_config(answer: Mapping[str, Any]) -> List[str]:
    if not answer["files"]:
        return []
    files = [f"{'removed ' if answer['actions'] else ''}{name}: {text}" for name, text in answer["files"].items()]
    same = yaml.safe_dump({"proxy": {"run": answer["section"]}}, sort_keys=False).splitlines()
    return [*files, "", "in config/deploy.yml:", "", *same]


def audit(answers: Answers) -> str:
    return _sections((host, answer["lines"] if answer else None) for host, answer in answers.items())


def logs(answers: Answers) -> str:
    return _sections(_log_sections(answers))


def output(answers: Answers) -> str:
    """What a command wrote, or how a terminal is opened. Of hosts where it failed that was told with the failure.

    The lines of one place were shown as they came, and are not repeated: nothing was between them.
    """
    told = {host: answer for host, answer in answers.items() if answer}
    results = [result for answer in told.values() for result in _results(answer)]
    ways = [result["terminal"] for result in results if "terminal" in result]
    if ways:
        ends = any(result.get("key_ends") for result in results)
        return "\n".join(["This opens it:", "", *ways, *(["", KEY_ENDS] if ends else [])])
    sections = list(_log_sections(told))
    is_shown = len(answers) == len(sections) == 1 and all(result.get("streamed") for result in results)
    return sections[0][0] if is_shown else _sections(sections)


def _log_sections(answers: Answers) -> Iterator[Tuple[str, Optional[List[str]]]]:
    for host, answer in answers.items():
        read = [item for result in (_results(answer) if answer else []) for item in result["logs"].items()]
        if not read:
            yield host, [] if answer else None
        for role, log in read:
            is_absent = log["state"] == ABSENT
            lines = [f"not on this host; {BOOTED_BY.get(role, BOOTS)} boots it"] if is_absent else log["lines"]
            yield f"{host} {role} ({log['container']}, {log['state']})", lines


def actions(answers: Answers) -> str:
    return _sections((host, _actions(answer) if answer else None) for host, answer in answers.items())


def _actions(answer: Mapping[str, Any]) -> List[str]:
    return [action for result in _results(answer) for action in result["actions"]]


def _results(answer: Mapping[str, Any]) -> List[Mapping[str, Any]]:
    """Of a task, or of each item of a task with a loop."""
    return list(answer.get("results", [answer]))


def _sections(sections: Any) -> str:
    parts = []
    for title, lines in sections:
        shown = [NOT_REACHED] if lines is None else lines or ["nothing"]
        parts.append("\n".join([f"{title}:", *(f"  {line}" for line in shown)]))
    return "\n\n".join(parts)


def builder(answers: Answers) -> str:
    """The answer of builder_info, which each host has alike."""
    answer = next((answer for answer in answers.values() if answer), None)
    if answer is None:
        return NOT_REACHED
    state = "there" if answer["exists"] else "not there yet"
    rows = [(answer["name"] or "the engine's own", answer["driver"], state, node) for node in answer["nodes"]]
    return f"{table(('BUILDER', 'DRIVER', 'STATE', 'BUILDS ON'), rows)}\n\nThe docker command has: {answer['means']}"


TEXTS: Dict[str, Any] = {
    "details": details,
    "containers": containers,
    "images": images,
    "version": version,
    "proxy": proxy,
    "boot_config": boot_config,
    "accessories": accessories,
    "audit": audit,
    "logs": logs,
    "output": output,
    "actions": actions,
    "builder": builder,
}
