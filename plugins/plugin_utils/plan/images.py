# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The image of the service: what it is called, where one logs in for it, and how it is built."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Dict, Mapping, Optional, Sequence

from ...module_utils import _references
from ...module_utils._errors import ConfigError, Problem
from ...module_utils._names import Names
from ...module_utils._shares import ImageShare
from ..config.load import Config
from . import env
from .model import Build, ConfigValue, Registry, SecretName

DIRTY = "-dirty"
ADDRESS = "://"
SEVERAL = (
    "found {}, and an image for several architectures can only be in a registry, to which nothing is pushed in this "
    "run. Name the one that the hosts have, or a registry."
)
NEITHER = (
    "found {}, which is neither the address of an engine, such as ssh://user@host, nor a host of the inventory. Write "
    "the address, or add the host there."
)
GHA_ADDRESS = re.compile("(url|url_v2|scope|timeout)=")
# A registry on the machine that deploys. Nothing depends on it: what a host cannot pull from there is sent to it.
LOCAL = "localhost:"
WITH_PORT = re.compile("localhost:[0-9]+")


class Images:
    """The image of one version of a configuration's service."""

    def __init__(self, config: Config, version: str, built_elsewhere: Optional[str] = None) -> None:
        self.config = config
        self.version = version
        self.built_elsewhere = built_elsewhere
        self.names = Names(config.data["service"], config.destination)
        self._section: Mapping[str, Any] = config.data.get("registry") or {}
        self.is_local = str(self._section.get("server")).startswith(LOCAL)
        self.has_registry = "registry" in config.data and not self.is_local

    @property
    def repository(self) -> str:
        if self.built_elsewhere:
            return _references.parts(self.built_elsewhere)[0]
        server = self._section.get("server")
        return f"{server}/{self._image}" if server else self._image

    @property
    def _image(self) -> str:
        return str(self.config.data.get("image") or self.names.service)

    def share(self) -> ImageShare:
        return ImageShare(
            service=None if self.built_elsewhere else self.names.service,
            repository=self.repository,
            tag=self.version,
            latest=self.names.latest_tag,
            pull=self.has_registry or bool(self.built_elsewhere),
        )

    def registry(self) -> Optional[Registry]:
        """Where to log in for the image; one that was built elsewhere may lie where the login is not meant for it."""
        if self.built_elsewhere and not self.is_in_registry(self.built_elsewhere):
            return Registry(_references.server_of(self.built_elsewhere), None, None)
        return registry(self._section, "registry") if self.has_registry else None

    @property
    def registry_here(self) -> Optional[str]:
        """The registry on the machine that deploys, which hosts reach through their connections."""
        place = WITH_PORT.match(str(self._section.get("server")))
        return place[0] if place and not self.built_elsewhere else None

    def is_in_registry(self, image: str) -> bool:
        """Whether an image lies in the app's registry, so that its login is meant for this image too."""
        server = str(self._section.get("server") or _references.HUB).partition("/")[0]
        return self.has_registry and (_references.server_of(image) or _references.HUB) == server

    def build(self, pulled: bool, inventory: Sequence[str]) -> Build:
        """`pulled`: whether it goes to the registry, as any host has to pull what is built."""
        builder = self.config.data["builder"]
        remote = builder.get("remote")
        host = remote if remote in inventory else None
        if remote and not host and ADDRESS not in remote:
            raise ConfigError(
                [Problem(NEITHER.format(remote), "builder/remote", self.config.where("builder", "remote"))]
            )
        arch = builder.get("arch") or []
        return Build(
            host=host,
            service=self.names.service,
            repository=self.repository,
            version=self.version,
            latest=self.names.latest_tag,
            project_root=self.config.project_root,
            context=builder.get("context"),
            dockerfile=builder["dockerfile"],
            target=builder.get("target"),
            args={key: env.text(value) or None for key, value in (builder.get("args") or {}).items()},
            secrets=builder.get("secrets") or [],
            ssh=builder.get("ssh"),
            arch=arch if isinstance(arch, list) else [arch],
            driver=builder.get("driver"),
            remote=None if host else remote,
            local=bool(host) or builder["local"],
            **self._cache(builder.get("cache") or {}),
            provenance=_option(builder.get("provenance")),
            sbom=_option(builder.get("sbom")),
            pack=builder.get("pack"),
            push=pulled and self.has_registry,
            latest_here=False,
        )

    def require_one_place(self, build: Build) -> Build:
        """An image for several architectures cannot be kept by an engine, so that it has to be pushed."""
        if len(build.arch) > 1 and not build.push:
            message = SEVERAL.format(", ".join(build.arch))
            raise ConfigError([Problem(message, "builder/arch", self.config.where("builder", "arch"))])
        return build

    def build_here(self, inventory: Sequence[str]) -> Build:
        """The working tree as it is, with the engine's own builder and for nobody else, under a name that says so."""
        build = self.build(False, inventory)
        return replace(
            build,
            version=f"{build.version}{DIRTY}",
            latest=f"{build.latest}{DIRTY}",
            latest_here=True,
            context=build.context or ".",
            arch=[],
            driver="docker",
            remote=None,
            local=True,
            cache_from=None,
            cache_to=None,
            provenance=None,
            sbom=None,
        )

    def _cache(self, section: Mapping[str, Any]) -> Dict[str, Optional[str]]:
        """Where layers are read from and where they are written to. GitHub's cache has an address in its options."""
        kind, options = section.get("type"), str(section.get("options") or "")
        if kind is None or (kind == "registry" and self.is_local):
            return {"cache_from": None, "cache_to": None}
        place = [f"type={kind}"]
        if kind == "registry":
            server, image = self._section.get("server"), section.get("image") or f"{self._image}-build-cache"
            place.append(f"ref={server}/{image}" if server else f"ref={image}")
        also = [option for option in options.split(",") if kind == "gha" and GHA_ADDRESS.match(option)]
        return {"cache_from": ",".join([*place, *also]), "cache_to": ",".join([*place, *filter(None, [options])])}


def registry(section: Optional[Mapping[str, Any]], place: str) -> Optional[Registry]:
    """Where a `registry` section at the key path `place` logs in, None for an empty one.

    A secret is named. A password that is written there is only pointed to; a user name is no secret. Docker Hub has no
    name: docker keeps the login for it under another one than it is called by in images.
    """
    if not section:
        return None
    username, password = section.get("username"), section.get("password")
    user = _secret_name(username) or (None if username is None else str(username))
    written = None if password is None else ConfigValue(f"{place}/password")
    server = section.get("server")
    return Registry(None if server in _references.HUBS else server, user, _secret_name(password) or written)


def _option(value: Any) -> Optional[str]:
    """`true`, `false` or text, as docker takes it; None where it is left open."""
    return None if value is None else env.text(value)


def _secret_name(value: Any) -> Optional[SecretName]:
    return SecretName(str(value[0])) if isinstance(value, list) else None
