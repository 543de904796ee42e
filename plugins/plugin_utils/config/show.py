# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A configuration and its documentation as text for people, with nothing secret in it."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Sequence, Tuple, Type

try:
    import yaml
except ImportError:  # Only the controller has it, and only the controller gets here.
    yaml = None  # type: ignore[assignment]

from ...module_utils._errors import ConfigError, Problem
from .findings import near_miss
from .load import Config
from .schema import load_section, load_sections

REDACTED = "[REDACTED]"
OTHER_NAMES = {
    "accessories": "accessory",
    "config": "root",
    "deploy": "root",
    "directories": "mount",
    "files": "mount",
    "roles": "role",
}
# `*` stands for any key. A list below these holds names of secrets, which may be seen; a plain value may not.
_SECRET_VALUES: Sequence[Tuple[str, ...]] = (
    ("registry", "username"),
    ("registry", "password"),
    ("accessories", "*", "registry", "username"),
    ("accessories", "*", "registry", "password"),
    ("builder", "args", "*"),
)


def overview(config: Config) -> Dict[str, Any]:
    topology = config.topology
    return {
        "file": config.path,
        "destination": config.destination,
        "project_root": config.project_root,
        "primary_role": topology.primary_role if topology.roles else None,
        "roles": {role.name: role.hosts for role in topology.all_roles},
        "accessories": {accessory.name: list(accessory.hosts) for accessory in topology.accessories},
        "config": redacted(config.written),
        "notices": list(config.notices),
    }


def redacted(data: Any, above: Tuple[str, ...] = ()) -> Any:
    if isinstance(data, dict):
        return {key: redacted(value, above + (key,)) for key, value in data.items()}
    if isinstance(data, list):
        return [redacted(item, above + ("*",)) for item in data]
    is_key = isinstance(data, str) and "PRIVATE KEY-----" in data
    return REDACTED if is_key or any(_covers(pattern, above) for pattern in _SECRET_VALUES) else data


def _covers(pattern: Sequence[str], path: Sequence[str]) -> bool:
    return len(pattern) == len(path) and all(part in ("*", word) for part, word in zip(pattern, path))


def _dumper_class() -> Type[yaml.SafeDumper]:
    class Dumper(yaml.SafeDumper):
        """Lists are indented below their key, and nothing is abbreviated with anchors."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    return Dumper


def as_text(data: Mapping[str, Any], form: str) -> str:
    if form == "json":
        return json.dumps(data, indent=2, ensure_ascii=False)
    return yaml.dump(data, Dumper=_dumper_class(), sort_keys=False, allow_unicode=True, width=110).rstrip()


def documentation(section: str) -> str:
    sections = load_sections()
    name = OTHER_NAMES.get(section, section)
    if name not in sections:
        known = ", ".join(sections)
        raise ConfigError([Problem(f"there is no section {section}{near_miss(section, sections)} (sections: {known})")])
    return load_section(name).text.rstrip()


def contents() -> str:
    sections = load_sections()
    width = max(len(name) for name in sections)
    lines: List[str] = ["Sections of the configuration:", ""]
    for name, section in sections.items():
        lines.append(f"  {name.ljust(width)}  {section.title}")
    lines += ["", "To read one: ansible-playbook caravan.kamal.docs -e kamal_docs_section=proxy"]
    return "\n".join(lines)
