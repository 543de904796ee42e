# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container as it should be: its Docker API body without secrets, and whether one that exists is the same."""

from __future__ import annotations

import copy
import hashlib
import json
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ._names import FINGERPRINT_LABEL, SECRETS_LABEL, SPEC_LABEL, container_hostname

# The body of `POST /containers/create`: Docker's own JSON, with image, env, labels and the settings of the host.
Body = Dict[str, Any]

DEFAULT_LOGGING = {"options": {"max-size": "10m"}}


def body(
    image: str,
    env: Mapping[str, str],
    labels: Mapping[str, str],
    network: str,
    cmd: Optional[Sequence[str]] = None,
    volumes: Sequence[str] = (),
    logging: Optional[Mapping[str, Any]] = None,
) -> Body:
    """The body of `POST /containers/create`, before `docker run` options are applied to it."""
    log = logging or DEFAULT_LOGGING
    wanted: Body = {
        "Image": image,
        "Env": [f"{name}={value}" for name, value in env.items()],
        "Labels": dict(labels),
        "HostConfig": {
            "NetworkMode": network,
            "RestartPolicy": {"Name": "unless-stopped"},
            "LogConfig": {
                "Type": log.get("driver") or "",
                "Config": {str(key): str(value) for key, value in (log.get("options") or {}).items()},
            },
        },
    }
    if cmd:
        wanted["Cmd"] = list(cmd)
    if volumes:
        wanted["HostConfig"]["Binds"] = list(volumes)
    return wanted


def fingerprint(wanted: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    """Over everything but secret values: the body, and which variable takes which secret."""
    text = json.dumps([wanted, secrets], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def complete(
    wanted: Mapping[str, Any],
    secrets: Mapping[str, str],
    values: Mapping[str, str],
    host: Optional[str] = None,
    beside: Mapping[str, Any] = MappingProxyType({}),
) -> Body:
    """The body to create: with secret values, our labels and, for an app container, a hostname of its own. What is
    `beside` makes a container another one too, and is in the labels alone."""
    whole = copy.deepcopy(dict(wanted))
    wanted = {**wanted, **beside}
    whole["Env"] = [*whole.get("Env", ()), *(f"{name}={value}" for name, value in values.items())]
    whole["Labels"][FINGERPRINT_LABEL] = fingerprint(wanted, secrets)
    whole["Labels"][SPEC_LABEL] = json.dumps(wanted, sort_keys=True)
    whole["Labels"][SECRETS_LABEL] = ", ".join(sorted(secrets))
    if host and "Hostname" not in whole:
        whole["Hostname"] = container_hostname(host)
    return whole


def is_made_here(container: Mapping[str, Any]) -> bool:
    """Whether its settings can be compared: one that Kamal made carries no fingerprint."""
    return FINGERPRINT_LABEL in (container["Config"].get("Labels") or {})


def is_same(
    container: Mapping[str, Any],
    wanted: Mapping[str, Any],
    secrets: Mapping[str, str],
    values: Mapping[str, str],
    image_id: Optional[str],
) -> bool:
    """Whether a container (as `docker inspect` shows it) is the wanted one, secret values included."""
    config = container["Config"]
    return bool(
        (config.get("Labels") or {}).get(FINGERPRINT_LABEL) == fingerprint(wanted, secrets)
        and container["Image"] == image_id
        and not changed_secrets(container, values)
    )


def changed_secrets(container: Mapping[str, Any], values: Mapping[str, str]) -> List[str]:
    """The names of the secret variables whose value in the container is not the wanted one."""
    present = dict(pair.split("=", 1) for pair in container["Config"].get("Env") or () if "=" in pair)
    return sorted(name for name, value in values.items() if present.get(name) != value)


def shown(wanted: Mapping[str, Any], secrets: Mapping[str, str]) -> Dict[str, Any]:
    """A wanted container for a diff: no secret values, only their names."""
    return {**wanted, "secrets": ", ".join(sorted(secrets)) or None}


def shown_container(container: Mapping[str, Any]) -> Dict[str, Any]:
    """A container, as `docker inspect` has it, in the form of `shown`; of one by Kamal only the image is comparable."""
    labels = container["Config"].get("Labels") or {}
    wanted = json.loads(labels.get(SPEC_LABEL) or "{}") or {"Image": container["Config"]["Image"]}
    return {**wanted, "secrets": labels.get(SECRETS_LABEL) or None}
