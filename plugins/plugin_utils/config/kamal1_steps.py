# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of each key of a configuration for Kamal 1: the same said in Kamal 2's words, or what to do by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from . import kamal1_traefik as _traefik
from .kamal1_traefik import Part, Route
from .yaml_edit import Entry, Path, YamlFile

DEFAULT_PORT = "3000"
BOTH = ("amd64", "arm64")
NONE_NEEDED = "nothing takes its place"


@dataclass(frozen=True)
class Step:
    """`said` is what Kamal 2 has instead. The key goes, or is `renamed`, and `added` comes; one that is left `by_hand`
    stays as it is, and `harmless` is one of those that Kamal 2 takes too."""

    path: Path
    line: int
    said: str
    added: Mapping[str, Any] = field(default_factory=dict)
    renamed: str = ""
    by_hand: bool = False
    harmless: bool = False


def steps(file: YamlFile, is_base: bool) -> List[Step]:
    """All of them, in the order of the file. `is_base`: it is not the file of a destination, which says only more."""
    found = [*_simple(file), *_healthchecks(file), *_proxied(file), *_traefiks(file), *_builder(file), *_labels(file)]
    found.sort(key=lambda step: step.line)
    if is_base and any(not step.harmless for step in found) and not _has_port(file, found):
        found.append(
            Step((), 1, f"proxy/app_port: Kamal 1 by itself asked port {DEFAULT_PORT}, Kamal 2 80", _port(DEFAULT_PORT))
        )
    return found


def _port(port: str) -> Mapping[str, Any]:
    return {"proxy": {"app_port": port}}


def _has_port(file: YamlFile, found: List[Step]) -> bool:
    """Whether the file says which, for all roles or for one."""
    return any(path[-2:] == ("proxy", "app_port") for path in file.entries) or any(
        "app_port" in str(step.added) for step in found
    )


def _simple(file: YamlFile) -> Iterator[Step]:
    for name, now in (("primary_web_role", "primary_role"), ("stop_wait_time", "drain_timeout")):
        entry = file.get(name)
        if entry and not file.get(now):
            yield Step(entry.path, entry.line, now, renamed=now)
    broadcast = file.get("audit_broadcast_cmd")
    if broadcast:
        said = "a post-deploy hook in .kamal/hooks that runs this command"
        yield Step(broadcast.path, broadcast.line, said, by_hand=True)


# Health checks


def _healthchecks(file: YamlFile) -> Iterator[Step]:
    yield from _healthcheck(file, (), True)
    for role in _roles(file):
        yield from _healthcheck(file, role, _is_proxied(file, role))


def _healthcheck(file: YamlFile, scope: Path, is_proxied: bool) -> Iterator[Step]:
    whole, keys = file.get(*scope, "healthcheck"), file.children(*scope, "healthcheck")
    if whole and not keys:
        yield Step(whole.path, whole.line, f"proxy/healthcheck; {NONE_NEEDED} where nothing is said")
    for entry in keys:
        name, said = entry.path[-1], ""
        if not is_proxied:
            said = "options/health-cmd, health-interval and so on of the role, as docker run takes them"
            yield Step(entry.path, entry.line, said, by_hand=True)
            continue
        added = _checked(name, entry.text)
        if added and "deploy_timeout" in added:
            yield Step(entry.path, entry.line, "deploy_timeout, the seconds that those attempts took", added)
        elif added:
            yield Step(entry.path, entry.line, _where(scope, added), _below(scope, added))
        elif name in ("cmd", "cord", "log_lines", "exposed_port"):
            yield Step(entry.path, entry.line, f"{NONE_NEEDED}: kamal-proxy itself asks the app over HTTP")
        else:
            yield Step(entry.path, entry.line, "proxy/healthcheck, if it is needed", by_hand=True)


def _checked(name: str, text: str) -> Mapping[str, Any]:
    bare = text.strip("\"'")
    if name == "port":
        return _port(bare)
    if name == "path":
        return {"proxy": {"healthcheck": {"path": text}}}
    if name == "interval" and bare.rstrip("s").isdecimal():
        return {"proxy": {"healthcheck": {"interval": bare.rstrip("s")}}}
    if name == "max_attempts" and bare.isdecimal():  # with a pause of one second more after each
        return {"deploy_timeout": str(int(bare) * (int(bare) + 1) // 2)}
    return {}


# Roles


def _roles(file: YamlFile) -> List[Path]:
    return [entry.path for entry in file.children("servers") if file.children(*entry.path)]


def _is_proxied(file: YamlFile, role: Path) -> bool:
    primary = file.value("primary_role") or file.value("primary_web_role") or "web"
    return str(file.value(*role, "traefik")).lower() == "true" or role[-1] == primary


def _proxied(file: YamlFile) -> Iterator[Step]:
    """A role that gets a map under `proxy` needs no word more that it is behind it."""
    for role in _roles(file):
        former, now = file.get(*role, "traefik"), file.get(*role, "proxy")
        is_map = any(_adds_to(step, role) for step in [*_healthchecks(file), *_labels(file)])
        if former:
            yield Step(former.path, former.line, "proxy of the role", renamed="" if is_map else "proxy")
        if now and is_map and str(file.value(*role, "proxy")).lower() == "true":
            yield Step(now.path, now.line, "a map, which means true too")


def _adds_to(step: Step, role: Path) -> bool:
    return role[-1] in (step.added.get("servers") or {})


def _below(scope: Path, tree: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in reversed(scope):
        tree = {name: tree}
    return tree


def _where(scope: Path, added: Mapping[str, Any]) -> str:
    """The key path of what is added."""
    names: List[str] = list(scope)
    below: Any = added
    while isinstance(below, Mapping):
        name, below = next(iter(below.items()))
        names.append(name)
    return "/".join(names)


# Traefik


def _traefiks(file: YamlFile) -> Iterator[Step]:
    entry = file.get("traefik")
    if entry is None:
        return
    children = file.children("traefik")
    if not children:
        yield Step(entry.path, entry.line, f"proxy; {NONE_NEEDED} where nothing is said")
    has_hosts = any(part.is_host for _entry, part in _label_parts(file))
    for child in children:
        inner = file.children(*child.path)
        for each in inner or [child]:
            yield _step(each, _traefik.of_container(each, file.value(*each.path), has_hosts), ())


def _label_parts(file: YamlFile) -> Iterator[Tuple[Entry, Part]]:
    """A role has the labels of all too, but for those that it has another value for."""
    shared = _traefik_labels(file, ())
    yield from _traefik.of_labels(shared, list(_routes_said(file, ())))
    for role in _roles(file):
        labels = _traefik_labels(file, role)
        own = {entry.path[-1] for entry in labels}
        others = [entry for entry in shared if entry.path[-1] not in own]
        elsewhere = [*_routes_said(file, ()), *_routes_said(file, role)]
        elsewhere += [_traefik.route_of(others)] if _traefik.has_rule(others) else []
        yield from _traefik.of_labels(labels, elsewhere)


def _traefik_labels(file: YamlFile, scope: Path) -> List[Entry]:
    return [entry for entry in file.children(*scope, "labels") if entry.path[-1].startswith("traefik.")]


def _routes_said(file: YamlFile, scope: Path) -> Iterator[Optional[Route]]:
    """By `proxy` itself, which says nothing, which requests it takes, or that it takes none."""
    proxy = file.value(*scope, "proxy")
    if isinstance(proxy, Mapping):
        route = _traefik.route_in(proxy)
        yield from [route] if route.settings else []
    elif str(proxy).lower() == "false":
        yield None


def _labels(file: YamlFile) -> Iterator[Step]:
    for entry, part in _label_parts(file):
        yield _step(entry, part, entry.path[:-2])


def _step(entry: Entry, part: Part, scope: Path) -> Step:
    said = _where(scope, part.added) if part.added else part.said
    added = _below(scope, part.added) if part.added else {}
    return Step(entry.path, entry.line, said, added, by_hand=part.by_hand, harmless=part.harmless)


# The builder


def _builder(file: YamlFile) -> Iterator[Step]:
    multiarch, local, remote = (file.get("builder", name) for name in ("multiarch", "local", "remote"))
    is_former = [entry for entry in (local, remote) if entry and file.children(*entry.path)]
    if multiarch and not is_former:
        is_native = str(file.value("builder", "multiarch")).lower() == "false"
        said = "builder/arch, which is by itself that of the machine that builds" if is_native else "builder/arch"
        yield Step(multiarch.path, multiarch.line, said, {} if is_native else {"builder": {"arch": list(BOTH)}})
    elif multiarch:
        yield Step(multiarch.path, multiarch.line, "builder/arch")
    if not is_former:
        return
    archs = [entry.text for name in ("local", "remote") for entry in [file.get("builder", name, "arch")] if entry]
    host = file.get("builder", "remote", "host")
    added: Dict[str, Any] = {"arch": archs if len(archs) > 1 else archs[0]} if archs else {}
    if host:
        added["remote"] = host.text
        added.update({} if local else {"local": "false"})
    for number, entry in enumerate(is_former):
        said = "builder/arch" if entry is local else "builder/remote, with the address itself, and builder/arch"
        yield Step(entry.path, entry.line, said, {"builder": added} if number == 0 else {})
