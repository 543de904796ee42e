# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Loading a configuration: the file, its destination, and every problem in them at once."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

from ...module_utils._errors import ConfigError, Problem
from . import env_tags
from . import erb as _erb
from .findings import SchemaCheck, near_miss
from .lines import TOO_DEEP, Document, KeyPath, merge_documents, plain, read_yaml, slashed, without_extensions
from .ruby_library import Scope
from .rules import check_rules
from .schema import SCHEMA_FILE
from .topology import Topology
from .values import Values

NO_REGISTRY = "none"


@dataclass(frozen=True)
class Settings:
    """How a file may be rendered."""

    environ: Mapping[str, str]
    erb_commands: bool = False
    erb: str = "safe"

    @classmethod
    def of(cls, environ: Mapping[str, str], value: Callable[[str], Any]) -> Settings:
        """From the variables kamal_erb_commands and kamal_erb; `value` gives a variable's value, or None."""
        return cls(
            environ, boolean("kamal_erb_commands", value("kamal_erb_commands")), str(value("kamal_erb") or "safe")
        )


@dataclass(frozen=True)
class Config:
    """A merged and valid configuration in Kamal's own shape: `data` with its defaults, `written` without."""

    data: Dict[str, Any]
    written: Dict[str, Any]
    path: Optional[str]
    project_root: str
    destination: Optional[str]
    notices: Tuple[str, ...] = ()
    places: Mapping[KeyPath, str] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def topology(self) -> Topology:
        return Topology(self.data)

    def where(self, *keys: Union[str, int]) -> str:
        """The file and line of a key, or of the nearest one above it that is written down."""
        return Document(places=dict(self.places)).place(keys)


def load(path: str, destination: Optional[str], settings: Settings, project_root: Optional[str] = None) -> Config:
    return _check(*_read_all(path, destination, settings, project_root))


def load_aliases(
    path: str, destination: Optional[str], settings: Settings, project_root: Optional[str] = None
) -> Dict[str, str]:
    """Without a look at the rest: an alias may name the destination that the rest makes sense with."""
    document, _config = _read_all(path, destination, settings, project_root)
    aliases = document.data.get("aliases")
    return {str(name): str(command) for name, command in aliases.items()} if isinstance(aliases, dict) else {}


def _read_all(
    path: str, destination: Optional[str], settings: Settings, project_root: Optional[str]
) -> Tuple[Document, Config]:
    """What is written, and a configuration that has nothing of it yet but says whose it is."""
    base, destination = split_destination(os.path.abspath(path), destination)
    root = os.path.abspath(project_root) if project_root else project_root_of(base)
    scope = Scope(dict(settings.environ), root, settings.erb_commands)
    if destination:
        scope.environ["KAMAL_DESTINATION"] = destination
    document = _read(base, root, scope, settings.erb, may_be_empty=False)
    if destination:
        overlay = _read(_destination_file(base, destination, root), root, scope, settings.erb, may_be_empty=True)
        document = merge_documents(document, overlay)
    return document, Config({}, {}, base, root, destination)


def files(path: str, destination: Optional[str], project_root: Optional[str] = None) -> Tuple[str, List[str]]:
    """The project's folder, and the files that a configuration is read from: the base, and that of a destination."""
    base, destination = split_destination(os.path.abspath(path), destination)
    root = os.path.abspath(project_root) if project_root else project_root_of(base)
    return root, [base, *([_destination_file(base, destination, root)] if destination else [])]


def from_mapping(
    data: Any,
    destination: Optional[str],
    project_root: str,
    where: str = "kamal_config",
    role_groups: Optional[Mapping[str, List[str]]] = None,
) -> Config:
    document = Document(places={(): where})
    if isinstance(data, Mapping):
        try:
            document.data = plain(data, document.problems, where)
        except RecursionError:
            document.problems.append(Problem(TOO_DEEP, where=where))
    else:
        document.problems.append(Problem(f"found {type(data).__name__}, expected a map", where=where))
    if role_groups and isinstance(document.data, dict) and "servers" not in document.data:
        document.data["servers"] = {str(role): [str(host) for host in hosts] for role, hosts in role_groups.items()}
        document.places[("servers",)] = "kamal_role_groups"
    return _check(document, Config({}, {}, None, os.path.abspath(project_root), destination))


def boolean(name: str, value: Any) -> bool:
    """A variable as Ansible reads booleans; none is false, and an empty one is a mistake."""
    word = str(value).strip().lower()
    if value is None or word in ("no", "n", "off", "0", "false", "f", "0.0"):
        return False
    if word in ("yes", "y", "on", "1", "true", "t", "1.0"):
        return True
    raise ConfigError([Problem(f"expected true or false, not {value!r}", where=name)])


@lru_cache(maxsize=1)
def _schema() -> Tuple[SchemaCheck, Values]:
    with open(SCHEMA_FILE, encoding="utf-8") as stream:
        schema = json.load(stream)
    return SchemaCheck(schema), Values(schema)


def _check(read: Document, config: Config) -> Config:
    document = env_tags.moved(read)
    if document.problems:
        raise ConfigError(document.problems)
    check, values = _schema()
    data = _without_no_registry(values.with_numbers(without_extensions(document.data)))
    rules = check_rules(data, config.destination)
    findings = [*check.findings(data), *rules.problems]
    order = {path: index for index, path in enumerate(document.places)}
    findings.sort(key=lambda finding: _position(finding[0], order))
    problems = [Problem(message, slashed(path), document.place(path)) for path, message in dict.fromkeys(findings)]
    if problems:
        raise ConfigError(problems)
    noticed = [*check.notices(data), *rules.notices]
    if document is not read:
        noticed.append(((env_tags.KEY,), env_tags.NOTICE))
    notices = tuple(f"{slashed(path)} {message} ({document.place(path)})" for path, message in noticed)
    return replace(config, data=values.with_defaults(data), written=data, notices=notices, places=document.places)


def _without_no_registry(data: Any) -> Any:
    """`registry: none` is how a destination says that it has none of the registry that the others have."""
    is_none = isinstance(data, dict) and data.get("registry") == NO_REGISTRY
    return {key: value for key, value in data.items() if key != "registry"} if is_none else data


def _position(path: KeyPath, order: Mapping[KeyPath, int]) -> int:
    for length in range(len(path), 0, -1):
        if path[:length] in order:
            return order[path[:length]]
    return -1


def project_root_of(path: str) -> str:
    folder = os.path.dirname(path)
    return os.path.dirname(folder) if os.path.basename(folder) == "config" else folder


def _read(path: str, root: str, scope: Scope, engine: str, may_be_empty: bool) -> Document:
    shown = os.path.relpath(path, root)
    text = _read_text(path, shown)
    rendered = _erb.render(text, lambda line: f"{shown}:{line}", scope, engine)
    document = read_yaml(rendered.text, lambda line: f"{shown}:{rendered.source_line(line)}")
    if document.data is None and not document.problems:
        if not may_be_empty:
            raise ConfigError([Problem("the file is empty; it needs at least `service` and `servers`", where=shown)])
        document.data = {}
    if document.problems:
        raise ConfigError(document.problems)
    if not isinstance(document.data, dict):
        raise ConfigError([Problem("the file must hold a map of keys such as `service: name`", where=f"{shown}:1")])
    return document


def _read_text(path: str, shown: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as stream:
            return stream.read()
    except FileNotFoundError:
        message = (
            f"there is no file {path}; name the configuration with kamal_config_file, or start one with the playbook "
            "caravan.kamal.init"
        )
        raise ConfigError([Problem(message, where=shown)]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(f"the file is not UTF-8 text: {error.reason}", where=shown)]) from None
    except OSError as error:
        raise ConfigError([Problem(f"{path} cannot be read: {error.strerror}", where=shown)]) from None


def split_destination(path: str, destination: Optional[str]) -> Tuple[str, Optional[str]]:
    """`deploy.staging.yml` beside `deploy.yml` is the destination staging of that file."""
    stem, extension = os.path.splitext(path)
    base_stem, own = os.path.splitext(stem)
    base = base_stem + extension
    if not own or not os.path.exists(base):
        return path, destination or None
    if destination and destination != own[1:]:
        message = (
            f"{os.path.basename(path)} is the destination {own[1:]}, but {destination} was asked for; name only one"
        )
        raise ConfigError([Problem(message)])
    return base, own[1:]


def _destination_file(base: str, destination: str, root: str) -> str:
    stem, extension = os.path.splitext(base)
    candidates = [f"{stem}.{destination}{ending}" for ending in dict.fromkeys((extension, ".yml", ".yaml"))]
    for candidate in candidates:
        if os.path.exists(candidate):
            return candidate
    known = _destinations(stem)
    there = f"destinations here: {', '.join(known)}" if known else "there are no destination files here"
    message = (
        f"there is no destination {destination}: no file {os.path.relpath(candidates[0], root)}"
        f"{near_miss(destination, known)} ({there})"
    )
    raise ConfigError([Problem(message)])


def _destinations(stem: str) -> List[str]:
    folder, name = os.path.split(stem)
    if not os.path.isdir(folder):
        return []
    names = []
    for entry in sorted(os.listdir(folder)):
        entry_stem, extension = os.path.splitext(entry)
        if extension in (".yml", ".yaml") and entry_stem.startswith(name + "."):
            names.append(entry_stem[len(name) + 1 :])
    return names
