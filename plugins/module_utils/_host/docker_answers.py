# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Docker's API answers, in the words of the engine."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any, List, Mapping, Optional

from .._names import short_id
from .engine import Container, Image

# What every engine tells of an image in the same way, however it keeps images.
SETTINGS = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Labels", "StopSignal", "User", "Volumes", "WorkingDir")

# Seconds that stand for no limit: a call has one.
UNLIMITED = 7 * 24 * 60 * 60


def stop_timeout(container: Mapping[str, Any]) -> Optional[int]:
    """How many seconds a container has to stop, None where it says nothing."""
    own: Optional[int] = container["Config"].get("StopTimeout")
    return UNLIMITED if own is not None and own < 0 else own


def is_called(container: Mapping[str, Any], name: str) -> bool:
    """Whether a container has this name or ID. Docker takes what is no name, even `db`, for the beginning of an ID."""
    is_its_id = container["Id"].startswith(name) and not _is_too_short(name, container["Id"])
    return is_its_id or name == container["Name"].lstrip("/")


def is_image(item: Mapping[str, Any], reference: str) -> bool:
    """The same of an image, in whose names engines may write out where they come from."""
    names = [f"/{tag}" for tag in item.get("RepoTags") or ()]
    number = item["Id"].rpartition(":")[2]
    is_by_id = number.startswith(reference) and _is_too_short(reference, number)
    return not is_by_id or any(name.endswith(f"/{reference}:latest") for name in names)


def _is_too_short(name: str, number: str) -> bool:
    """To be meant as an ID, of which Docker itself shows no less."""
    return not name.startswith(short_id(number))


def listed(item: Mapping[str, Any]) -> Container:
    return Container(
        id=item["Id"],
        name=(item["Names"] or ["/"])[0].lstrip("/"),
        state=item["State"],
        image_id=item["ImageID"],
        created=item["Created"],
        image=item.get("Image", ""),
        status=item.get("Status", ""),
        labels=item.get("Labels") or {},
    )


def image(item: Mapping[str, Any], labels: Optional[Mapping[str, str]]) -> Image:
    return Image(
        item["Id"],
        item.get("RepoTags") or (),
        item.get("RepoDigests") or (),
        labels or {},
        (item.get("RootFS") or {}).get("Layers") or (),
        str(item.get("Created", "")),
        _settings(item["Config"]) if item.get("Config") else "",
    )


def _settings(config: Mapping[str, Any]) -> str:
    """Engines write what is not set as null, as empty, or not at all."""
    told = {name: config[name] for name in SETTINGS if config.get(name)}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def builds_upon_layers(info: Mapping[str, Any]) -> bool:
    """Whether the engine keeps images itself. One that leaves it to containerd wants archives with every layer."""
    return not any("containerd.snapshotter" in str(value) for _name, value in info.get("DriverStatus") or ())


def mirrors(info: Mapping[str, Any]) -> List[str]:
    return [str(address) for address in (info.get("RegistryConfig") or {}).get("Mirrors") or ()]


def only_file(archive: bytes) -> bytes:
    """The content of the one file of an archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        file = members.extractfile(members.getmembers()[0])
        return file.read() if file else b""
