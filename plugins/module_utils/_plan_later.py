# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys that are understood and checked but not acted on yet: refused where that would change what runs, else told."""

from __future__ import annotations

import os
from typing import Any, List, Mapping, Sequence

from ._config import Config
from ._errors import ConfigError, Problem
from ._roles import Role

HOOKS = (
    "docker-setup",
    "pre-connect",
    "pre-build",
    "pre-deploy",
    "pre-app-boot",
    "post-app-boot",
    "pre-proxy-reboot",
    "post-proxy-reboot",
    "post-deploy",
)
IN_BUILDER = ("remote", "secrets", "ssh", "pack", "cache")
IN_ACCESSORIES = ("files", "directories", "proxy")
WITHOUT_EFFECT = (("output",), ("aliases",), ("ssh", "key_data"), ("builder", "provenance"), ("builder", "sbom"))


def refuse(config: Config, roles: Sequence[Role], command: str, builds: bool, skip_hooks: bool) -> None:
    """Raises a ConfigError that names every key this run would have to pass over."""
    problems = [problem for place in _places(config.data, roles) for problem in _in_place(config, *place)]
    if "error_pages_path" in config.data:
        problems.append(_later(config, "error_pages_path"))
    if command == "setup":
        problems += _accessories(config)
    if builds:
        problems += _builder(config)
    if not skip_hooks:
        problems += _hooks(config)
    if problems:
        raise ConfigError(problems)


def notices(config: Config) -> List[str]:
    return [
        f"{'/'.join(keys)} has no effect yet ({config.where(*keys)})"
        for keys in WITHOUT_EFFECT
        if _has(config.data, keys)
    ]


def _has(data: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(data, Mapping) or key not in data:
            return False
        data = data[key]
    return True


def _places(data: Mapping[str, Any], roles: Sequence[Role]) -> List[Any]:
    return [("", data), *((f"servers/{role.name}/", role.settings) for role in roles)]


def _in_place(config: Config, prefix: str, section: Mapping[str, Any]) -> List[Problem]:
    """What a role may specialise, at the root and in each role."""
    found = [f"{prefix}asset_path"] if "asset_path" in section else []
    proxy = section.get("proxy")
    if isinstance(proxy, Mapping) and isinstance(proxy.get("ssl"), Mapping):
        found.append(f"{prefix}proxy/ssl")
    return [_later(config, key_path) for key_path in found]


def _accessories(config: Config) -> List[Problem]:
    accessories = config.data.get("accessories") or {}
    return [
        _later(config, f"accessories/{name}/{key}")
        for name, section in accessories.items()
        for key in IN_ACCESSORIES
        if key in section
    ]


def _builder(config: Config) -> List[Problem]:
    builder = config.data.get("builder") or {}
    found = [_later(config, f"builder/{key}") for key in IN_BUILDER if key in builder]
    if str(builder.get("driver", "")).startswith("cloud"):
        found.append(_later(config, "builder/driver"))
    if len(builder.get("arch") or []) > 1 and isinstance(builder["arch"], list):
        found.append(_later(config, "builder/arch"))
    return found


def _later(config: Config, key_path: str) -> Problem:
    return Problem(
        "is understood, but this version of caravan.kamal does not act on it yet. Remove it to deploy without it.",
        key_path,
        config.where(*key_path.split("/")),
    )


def _hooks(config: Config) -> List[Problem]:
    folder = os.path.join(config.project_root, config.data.get("hooks_path", ".kamal/hooks"))
    found = [name for name in HOOKS if os.access(os.path.join(folder, name), os.X_OK)]
    return [
        Problem(
            "this hook would not be run: hooks are not supported yet. Deploy without it with -e kamal_skip_hooks=true.",
            "",
            os.path.join(folder, name),
        )
        for name in found
    ]
