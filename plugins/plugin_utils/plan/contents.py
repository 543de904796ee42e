# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is in the files of an accessory: read on the controller, and rendered where they are templates.

It is no part of the plan, for there may be secrets in it. It is handed over as they are.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Callable, Dict, List, Mapping, Sequence

from ...module_utils._errors import ConfigError, Problem
from ...module_utils._shares import AccessoryBase, PlacedFile, values
from ..config import erb
from ..config.load import Settings
from ..config.ruby_library import Scope
from .mounts import ERB, JINJA

# Renders a file of this path, with the variables of the container by name.
Jinja = Callable[[str, Mapping[str, str]], str]


class Contents:
    """Of the files of a project. `secrets` has the values by the name of the secret."""

    def __init__(self, project_root: str, settings: Settings, secrets: Mapping[str, str]) -> None:
        self.project_root, self.settings, self.secrets = project_root, settings, secrets

    def handed_over(self, accessory: AccessoryBase, jinja: Jinja) -> str:
        """As the option `files` of the module accessory takes it."""
        every = {file.path: self._content(accessory, file, jinja) for file in accessory.files}
        return json.dumps({path: base64.b64encode(content).decode() for path, content in every.items()})

    def problems(self, accessory: AccessoryBase) -> Sequence[Problem]:
        """What can be told before any host is reached; Jinja may need what only a host knows."""
        found: List[Problem] = []
        for file in accessory.files:
            try:
                self._content(accessory, file, lambda _path, _env: "")
            except ConfigError as error:
                found += error.problems
        return found

    def _content(self, accessory: AccessoryBase, file: PlacedFile, jinja: Jinja) -> bytes:
        path = os.path.join(self.project_root, file.local)
        try:
            with open(path, "rb") as source:
                content = source.read()
            if file.template == ERB:
                return self._erb(content.decode(), file.local, self._env(accessory)).encode()
        except OSError as error:
            reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
            raise _problem(accessory, f"{path}: {reason}") from None
        except UnicodeDecodeError as error:
            raise _problem(accessory, f"{path}: a template has to be UTF-8 text: {error.reason}") from None
        return jinja(path, self._env(accessory)).encode() if file.template == JINJA else content

    def _erb(self, text: str, name: str, env: Mapping[str, str]) -> str:
        scope = Scope({**self.settings.environ, **env}, self.project_root, self.settings.erb_commands)
        return erb.render(text, lambda line: f"{name}:{line}", scope, self.settings.erb, is_yaml=False).text

    def _env(self, accessory: AccessoryBase) -> Dict[str, str]:
        """The variables of its container."""
        pairs = (pair.partition("=") for pair in accessory.body.get("Env") or ())
        return {**{name: value for name, _equals, value in pairs}, **values(accessory.secrets, self.secrets)}


def _problem(accessory: AccessoryBase, message: str) -> ConfigError:
    return ConfigError([Problem(message, f"accessories/{accessory.name}/files")])
