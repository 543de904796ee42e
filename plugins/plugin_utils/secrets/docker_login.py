# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The logins to registries that the docker command of this machine has: in its file, or from a credential helper."""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
from typing import Any, Dict, Mapping, Optional

from ...module_utils._errors import SecretError
from ...module_utils._references import DOCKER_HUB, of_one_registry
from ..forks import memory

HELPER = "docker-credential-"
SECONDS = 60.0
NOT_FOUND = "credentials not found"
# A helper that answers so has no password but a token, which only the docker command knows to use.
TOKEN = "<token>"


def of_this_run(server: Optional[str], environ: Mapping[str, str]) -> Optional[Dict[str, str]]:
    """The same, asked for once in a run: a helper may ask a person for a finger each time."""
    found: Optional[Dict[str, str]] = memory.OF_THIS_RUN.once(
        f"the docker command's login to {server}", lambda: login(server, environ)
    )
    return found


def login(server: Optional[str], environ: Mapping[str, str], seconds: float = SECONDS) -> Optional[Dict[str, str]]:
    """Username and password for a registry, None for Docker Hub, where the docker command has them."""
    folder = environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    config = _read(os.path.join(folder, "config.json"))
    address = server or DOCKER_HUB
    helper = (config.get("credHelpers") or {}).get(address) or config.get("credsStore")
    if helper:
        return _asked(f"{HELPER}{helper}", address, environ, seconds)
    auths = config.get("auths") or {}
    return next((_decoded(auths[key]) for key in auths if of_one_registry(key, address)), None)


def _read(path: str) -> Mapping[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise SecretError(
            f"{path}, where the docker command has its logins, cannot be read: {error}. Mend it."
        ) from error


def _decoded(entry: Any) -> Optional[Dict[str, str]]:
    """An entry is empty where a helper has the login, or a token takes its place."""
    text = entry.get("auth") if isinstance(entry, Mapping) else None
    try:
        username, colon, password = base64.b64decode(text or "").decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return {"username": username, "password": password.rstrip("\0")} if colon and password else None


def _asked(helper: str, server: str, environ: Mapping[str, str], seconds: float) -> Optional[Dict[str, str]]:
    """What `docker-credential-NAME get` says; the address goes to its standard input, as the docker command does it."""
    try:
        done = subprocess.run(
            [helper, "get"], input=server, capture_output=True, text=True, env=environ, timeout=seconds, check=False
        )
    except FileNotFoundError:
        raise SecretError(
            f"The docker command of this machine gets its login to {server} from {helper}, which is not installed. "
            "Install it, or give registry/username and registry/password."
        ) from None
    except subprocess.TimeoutExpired:
        raise SecretError(
            f"{helper} did not give a login to {server} within {seconds:g} seconds. It has no terminal to ask "
            "on: log in with it first."
        ) from None
    if done.returncode:
        if NOT_FOUND in done.stdout + done.stderr:
            return None
        complaint = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise SecretError(f"{helper} gave no login to {server}: {complaint}. Try it: echo {server} | {helper} get")
    return _answer(helper, server, done.stdout)


def _answer(helper: str, server: str, text: str) -> Optional[Dict[str, str]]:
    try:
        found = json.loads(text)
        username, password = str(found["Username"]), str(found["Secret"])
    except (ValueError, KeyError, TypeError):
        raise SecretError(f"{helper} answered something else than a login to {server}.") from None
    return None if username == TOKEN else {"username": username, "password": password}
