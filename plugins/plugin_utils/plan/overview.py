# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What follows from a configuration, for people: version, image, hosts and arguments, as `kamal config` prints."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from ...module_utils import _body
from ...module_utils._errors import VersionError
from ...module_utils._names import short_version
from ..config import show
from ..config.load import Config
from ..config.ssh import connection
from . import connections, containers, env, mounts, unsupported, version
from .images import Images

UNKNOWN = "VERSION"


def overview(config: Config, wanted: Optional[str]) -> Dict[str, Any]:
    """The configuration as it was understood and what follows from it. `wanted` is a version that was asked for."""
    version.require_tag(wanted)
    topology = config.topology
    whole, reason = _version(config, wanted)
    images = Images(config, whole or UNKNOWN)
    resolved = {
        "version": whole,
        "repository": images.repository,
        "absolute_image": images.share().reference,
        "service_with_version": f"{config.data['service']}@{short_version(whole or UNKNOWN)}",
        "hosts": topology.boot_order,
        "primary_host": next(iter(topology.boot_order), None),
        "volumes": _volumes(config),
        "logging": _logging(config.data.get("logging")),
        "ssh": connection(config.data) if config.path else {},
        "builder": _builder(config),
    }
    shown = show.overview(config)
    written = {name: shown.pop(name) for name in ("config", "notices")}
    notices = [*written["notices"], *reason, *connections.notices(config)]
    notices += unsupported.notices(config, topology.roles)
    return {**shown, **resolved, "config": written["config"], "notices": notices}


def _version(config: Config, wanted: Optional[str]) -> Tuple[Optional[str], List[str]]:
    """The version that would be deployed, or why there is none."""
    try:
        return wanted or version.of_checkout(config), []
    except VersionError as error:
        return None, [error.message]


def _volumes(config: Config) -> List[str]:
    return [containers.below_home(mounts.volume(volume)) for volume in config.data.get("volumes") or ()]


def _logging(section: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """The driver and options that containers get if their role says nothing else."""
    section = section or _body.DEFAULT_LOGGING
    return {
        "driver": section.get("driver"),
        "options": {str(name): env.text(value) for name, value in (section.get("options") or {}).items()},
    }


def _builder(config: Config) -> Dict[str, Any]:
    """How the image is built; the values of build arguments stay out, for some hold secrets."""
    builder = config.data["builder"]
    return {
        "context": builder.get("context") or "a clone of the last commit",
        "dockerfile": builder["dockerfile"],
        "target": builder.get("target"),
        "arch": builder.get("arch"),
        "args": show.redacted(builder.get("args") or {}, ("builder", "args")),
    }
