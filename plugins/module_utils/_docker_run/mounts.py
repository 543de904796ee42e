# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Folders and volumes in a container: the options `volume`, `mount` and `tmpfs`."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Tuple

from .tree import Body, Path, merge, nest
from .values import fields_of, matching, one_of, pair, size, text


def tmpfs(word: str) -> Tuple[str, str]:
    path, _rest, options = word.partition(":")
    if not path.startswith("/"):
        raise ValueError(f"must look like /run or /run:size=64m, not {word!r}")
    return path, options


def bind(spec: str) -> Body:
    """`[SOURCE:]PATH[:MODE]`, a folder or volume in a container, as a fragment of the create body."""
    parts = spec.split(":")
    if len(parts) == 1 and spec.startswith("/"):
        return {"Volumes": {spec: {}}}
    if len(parts) not in (2, 3) or not parts[1].startswith("/") or parts[1] == "/":
        raise ValueError(f"must look like /on/host:/in/container, NAME:/in/container or …:ro, not {spec!r}")
    if not re.fullmatch(r"\.{0,2}/.*|[A-Za-z0-9][\w.-]+", parts[0]):
        raise ValueError(
            "must start with an absolute path on the host, one below the SSH user's home that begins with ./, or the "
            f"name of a volume, not {parts[0]!r}"
        )
    return {"HostConfig": {"Binds": [spec]}}


def _yes(value: str) -> bool:
    if value.lower() not in ("", "1", "0", "t", "f", "true", "false"):
        raise ValueError(f"must be true or false in a mount, not {value!r}")
    return value.lower() in ("", "1", "t", "true")


def _octal(value: str) -> int:
    return int(matching("[0-7]{1,4}", "1770")(value), 8)


def _driver_option(value: str) -> Body:
    return dict([pair(value)])


MOUNT_FIELDS: Dict[str, Tuple[Path, Callable[[str], Any]]] = {
    "type": (("Type",), one_of("bind", "volume", "tmpfs", "image", "cluster")),
    "source": (("Source",), text),
    "target": (("Target",), matching("/.+", "target=/data")),
    "readonly": (("ReadOnly",), _yes),
    "consistency": (("Consistency",), one_of("default", "consistent", "cached", "delegated")),
    "bind-propagation": (
        ("BindOptions", "Propagation"),
        one_of("rprivate", "private", "rshared", "shared", "rslave", "slave"),
    ),
    "bind-nonrecursive": (("BindOptions", "NonRecursive"), _yes),
    "bind-create-src": (("BindOptions", "CreateMountpoint"), _yes),
    "volume-nocopy": (("VolumeOptions", "NoCopy"), _yes),
    "volume-label": (("VolumeOptions", "Labels"), _driver_option),
    "volume-driver": (("VolumeOptions", "DriverConfig", "Name"), text),
    "volume-opt": (("VolumeOptions", "DriverConfig", "Options"), _driver_option),
    "volume-subpath": (("VolumeOptions", "Subpath"), text),
    "image-subpath": (("ImageOptions", "Subpath"), text),
    "tmpfs-size": (("TmpfsOptions", "SizeBytes"), size),
    "tmpfs-mode": (("TmpfsOptions", "Mode"), _octal),
}
MOUNT_ALIASES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}


def mount(word: str) -> Body:
    entry: Body = {"Type": "volume"}
    for part in fields_of(text(word)):
        key, _rest, value = part.partition("=")
        name = MOUNT_ALIASES.get(key, key)
        if name not in MOUNT_FIELDS:
            raise ValueError(f"must not have the field {key!r}; fields are {', '.join(sorted(MOUNT_FIELDS))}")
        path, parse = MOUNT_FIELDS[name]
        merge(entry, nest(path, parse(value)))
    if "Target" not in entry:
        raise ValueError(f"must name a target, as in type=bind,source=/srv/data,target=/data, not {word!r}")
    if entry["Type"] == "bind" and not entry.get("Source", "").startswith("/"):
        raise ValueError("must give a bind mount an absolute source path on the host")
    return entry
