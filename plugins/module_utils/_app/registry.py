# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a registry says to this host, and the login to it that may lie in the SSH user's home."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any, Dict, List, Mapping, Optional

from .. import _references
from .._errors import FileError, ImageError, LoginError
from .._host import files
from .._host.changes import Changes
from .._host.engine import Engine

DOCKER_CONFIG = ".docker/config.json"
# As Kamal calls the registry that it starts for `localhost:PORT`.
CONTAINER = "kamal-docker-registry"
HAS_LOGIN = "Check registry/username, registry/password and that this account may read the image."
HAS_NONE = "Give registry/server, registry/username and registry/password, or log in on this machine (docker login)."


@dataclass(frozen=True)
class Registry:
    """`server` None is Docker Hub."""

    engine: Engine
    changes: Changes
    server: Optional[str]

    @property
    def name(self) -> str:
        return self.server or "Docker Hub"

    def check(self, credentials: Optional[Mapping[str, str]]) -> None:
        """Raises LoginError where the registry does not take the login."""
        if not credentials:
            return self.changes.notice(f"There is no login for {self.name}, so none was tried")
        try:
            self.engine.log_in(self.server or _references.DOCKER_HUB, credentials)
        except LoginError as error:
            raise LoginError(
                f"{self.name}: {error.message} Check registry/server, registry/username and registry/password."
            ) from error

    def found(self, image: str, tag: str, credentials: Optional[Mapping[str, str]]) -> Dict[str, Any]:
        """The image that has this name now, as a build would answer."""
        repository, _tag, digest = _references.parts(image)
        known = digest or self._digest(image, credentials)
        return {"repository": repository, "tag": tag, "digest": known, "image_id": None, "pushed": True}

    def _digest(self, image: str, credentials: Optional[Mapping[str, str]]) -> str:
        try:
            digest = self.engine.registry_digest(image, credentials)
        except LoginError as error:
            raise LoginError(f"{error.message} {HAS_LOGIN if credentials else HAS_NONE}") from error
        if digest is None:
            raise ImageError(f"The registry has no image {image}. Check kamal_image, or push it there first.")
        return digest

    def log_out(self) -> None:
        """No login to the server lies in the home any more."""
        text = files.read(DOCKER_CONFIG)
        if text is None:
            return
        config = _parsed(text)
        server = self.server or _references.DOCKER_HUB
        mine = [key for key in config.get("auths") or {} if _references.of_one_registry(key, server)]
        if config.get("credsStore") or any(key in (config.get("credHelpers") or {}) for key in (self.server, *mine)):
            self.changes.notice(f"Logins of this host are kept by a helper: docker logout {self.server or ''} there")
        if mine:
            self.changes.do(f"log out of {self.name}", partial(_write_without, config, mine))

    def remove_container(self) -> None:
        if self.engine.inspect(CONTAINER):
            self.changes.do(f"remove container {CONTAINER}", partial(self.engine.remove, CONTAINER, volumes=True))


def _parsed(text: str) -> Dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        path = files.absolute(DOCKER_CONFIG)
        raise FileError(f"{path} cannot be read as JSON: {error}. Mend or remove it, and run this again.") from error


def _write_without(config: Mapping[str, Any], keys: List[str]) -> None:
    auths = {key: value for key, value in config["auths"].items() if key not in keys}
    files.write(DOCKER_CONFIG, json.dumps({**config, "auths": auths}, indent=2) + "\n")
