# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The frame of every module: options in, result or one clear message out, secrets never."""

from __future__ import annotations

import json
import os
import traceback
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional

from ansible.module_utils.basic import AnsibleModule, env_fallback

from .._errors import CaravanError, FileError
from .._masks import masked
from .changes import Changes
from .docker_engine import DockerEngine
from .engine import Engine
from .files import explained

DOCKER_OPTIONS: Dict[str, Any] = {
    "docker_host": {
        "type": "str",
        "default": "unix:///var/run/docker.sock",
        "fallback": (env_fallback, ["DOCKER_HOST"]),
    },
    "timeout": {"type": "int", "default": 60},
}

# Of the modules that make a network.
NETWORK_OPTIONS: Dict[str, Any] = {"ipv6": {"type": "bool", "default": False}}


@dataclass(frozen=True)
class Request:
    """What a module was asked: its options, the secrets apart from them, and where to write down changes."""

    params: Mapping[str, Any]
    changes: Changes
    secrets: Mapping[str, str]
    _found: List[Mapping[str, str]] = field(default_factory=list)

    def hide(self, values: Mapping[str, str]) -> None:
        """Mask these as well, whatever comes of it: secrets that the module has found on the host."""
        self._found.append(values)

    @property
    def hidden(self) -> Dict[str, str]:
        """The values that no result may show. Two files may have different ones under one name."""
        known = (self.secrets, _password(self.params), *self._found)
        return {f"{name} {place}": value for place, values in enumerate(known) for name, value in values.items()}

    @property
    def credentials(self) -> Optional[Dict[str, str]]:
        """What pulls images: username and password from the option `registry`, where it was given."""
        registry: Optional[Dict[str, str]] = json.loads(self.params.get("registry") or "null")
        return registry

    def engine(self, timeout: Optional[int] = None) -> Engine:
        """The Docker engine; `timeout` in seconds covers the longest call that is coming."""
        longest = max(self.params["timeout"], timeout or 0)
        return DockerEngine.at(self.params["docker_host"], longest, self.params.get("ipv6", False))


def run(
    options: Mapping[str, Any],
    act: Callable[[Request], Mapping[str, Any]],
    docker: bool = True,
    **module_arguments: Any,
) -> None:
    """Build the AnsibleModule and answer with what `act` returns beside the changes that it recorded.

    A `secrets` option holds a JSON object of strings, one no_log string for Ansible; its values are masked here, so
    that a short one does not black out unrelated text. So is the password in a `registry` option of that kind.
    """
    module = AnsibleModule(
        argument_spec=dict(DOCKER_OPTIONS, **options) if docker else dict(options),
        supports_check_mode=True,
        **module_arguments,
    )
    changes = Changes(module.check_mode)
    request = Request(module.params, changes, _secrets(module.params))
    try:
        values = _attempt(act, request)
    except CaravanError as error:
        done = {"changed": changes.changed, "actions": changes.actions, "notices": changes.notices}
        module.fail_json(**masked({**error.details, **done, "msg": error.message}, request.hidden))
    for notice in changes.notices:
        module.warn(masked(notice, request.hidden))
    module.exit_json(**masked(changes.result(**values), request.hidden))


def _attempt(act: Callable[[Request], Mapping[str, Any]], request: Request) -> Mapping[str, Any]:
    """Whatever goes wrong is a CaravanError; the trace of one that nobody foresaw goes where Ansible keeps those."""
    try:
        return act(request)
    except CaravanError:
        raise
    except OSError as error:
        raise FileError(explained(error, "work with", str(error.filename or "this host"))) from error
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise CaravanError(
            f"This is a mistake in caravan.kamal: {type(error).__name__}: {error} ({os.path.basename(last.filename)}:"
            f"{last.lineno}). What was done before it is in the result's actions. Run it with -vvv and report it.",
            exception=traceback.format_exc(),
        ) from error


def _secrets(params: Mapping[str, Any]) -> Dict[str, str]:
    return dict(json.loads(params.get("secrets") or "{}"))


def _password(params: Mapping[str, Any]) -> Dict[str, str]:
    """The registry's password; a user name is no secret, and may be a word that is meant in any text."""
    registry = params.get("registry")
    login = json.loads(registry or "null") if isinstance(registry, str) else registry
    return {"password": str(login["password"])} if login and login.get("password") else {}
