# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container as it should be: its Docker API body without secrets, and whether one that was found is the same."""

from __future__ import annotations

import copy
import hashlib
import json
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
    wanted: Mapping[str, Any], secrets: Mapping[str, str], values: Mapping[str, str], host: Optional[str] = None
) -> Body:
    """The body to create: with secret values, our labels and, for an app container, a hostname of its own."""
    made = copy.deepcopy(dict(wanted))
    made["Env"] = [*made.get("Env", ()), *(f"{name}={value}" for name, value in values.items())]
    made["Labels"][FINGERPRINT_LABEL] = fingerprint(wanted, secrets)
    made["Labels"][SPEC_LABEL] = json.dumps(wanted, sort_keys=True)
    made["Labels"][SECRETS_LABEL] = ", ".join(sorted(secrets))
    if host and "Hostname" not in made:
        made["Hostname"] = container_hostname(host)
    return made


def is_made_here(found: Mapping[str, Any]) -> bool:
    """Whether its settings can be compared: one that Kamal made carries no fingerprint."""
    return FINGERPRINT_LABEL in (found["Config"].get("Labels") or {})


def is_same(
    found: Mapping[str, Any],
    wanted: Mapping[str, Any],
    secrets: Mapping[str, str],
    values: Mapping[str, str],
    image_id: Optional[str],
) -> bool:
    """Whether a container (as `docker inspect` shows it) is the wanted one, secret values included."""
    config = found["Config"]
    return bool(
        (config.get("Labels") or {}).get(FINGERPRINT_LABEL) == fingerprint(wanted, secrets)
        and found["Image"] == image_id
        and not changed_secrets(found, values)
    )


def changed_secrets(found: Mapping[str, Any], values: Mapping[str, str]) -> List[str]:
    """The names of the secret variables whose value in the container is not the wanted one."""
    present = dict(pair.split("=", 1) for pair in found["Config"].get("Env") or () if "=" in pair)
    return sorted(name for name, value in values.items() if present.get(name) != value)


def shown(wanted: Mapping[str, Any], secrets: Mapping[str, str]) -> Dict[str, Any]:
    """A wanted container for a diff: no secret values, only their names."""
    return {**wanted, "secrets": ", ".join(sorted(secrets)) or None}


def shown_found(found: Mapping[str, Any]) -> Dict[str, Any]:
    """A found container in the form of `shown`; of one that Kamal made only the image is comparable."""
    labels = found["Config"].get("Labels") or {}
    wanted = json.loads(labels.get(SPEC_LABEL) or "{}") or {"Image": found["Config"]["Image"]}
    return {**wanted, "secrets": labels.get(SECRETS_LABEL) or None}
