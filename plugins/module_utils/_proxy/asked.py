# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the apps of a host want the kamal-proxy that they share to run: each says it, and they must say the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from .._errors import ConfigError, ProxyError
from .._host import files
from .._host.changes import Changes
from .._host.engine import Engine
from .._names import PROXY_CONTAINER, PROXY_SETTINGS, proxy_settings_file
from .._shares import ProxyShare
from . import boot_config, container
from .settings import DEFAULTS, proxy_container

Boot = Callable[[Engine, Changes, Mapping[str, Any], Optional[Mapping[str, str]]], None]


@dataclass(frozen=True)
class Asked:
    """The `proxy/run` section of an app, empty where it says nothing; `app` is SERVICE[-DEST]."""

    app: str
    run: Mapping[str, Any]

    def wanted(
        self, engine: Engine, changes: Changes, body: Mapping[str, Any], anew: bool = False
    ) -> Mapping[str, Any]:
        """The container as it should be; `body` is what the section makes of it. With `anew` one that is there is
        replaced, else only one that is missing is made.

        Where the app leaves it open, what `kamal proxy boot_config set` left on this host holds. Raises ProxyError
        where another app wants something else, and ConfigError where a container is to be made of files that have no
        form here.
        """
        self._agree()
        if self.run:
            return body
        try:
            return _left(changes) or body
        except ConfigError as error:
            if anew or engine.inspect(PROXY_CONTAINER) is None:
                raise
            changes.notice(
                f"What kamal proxy boot_config left in {files.absolute(boot_config.FOLDER)} is passed over, since "
                f"{PROXY_CONTAINER} is there already: {error.message}"
            )
            return body

    def ensure(
        self,
        engine: Engine,
        changes: Changes,
        share: ProxyShare,
        credentials: Optional[Mapping[str, str]],
        boot: Boot = container.ensure,
    ) -> None:
        """kamal-proxy runs, as the app wants it where it is made; `credentials` are those of the app's registry."""
        wanted = self.wanted(engine, changes, share.container)
        boot(engine, changes, wanted, credentials if share.login else None)
        self.record(changes)

    def record(self, changes: Changes) -> None:
        """For the other apps to know."""
        path = proxy_settings_file(self.app)
        text = json.dumps(self.run, sort_keys=True) + "\n"
        if changes.check_mode or files.read(path) == (text if self.run else None):
            return
        if self.run:
            files.write(path, text)
        else:
            files.remove(path)

    def _agree(self) -> None:
        if not self.run:
            return
        for other, run in _others(self.app):
            differing = list(_differing(self.run, run))
            if differing:
                raise ProxyError(
                    f"{self.app} and {other} share the kamal-proxy of this host and ask for different settings in "
                    f"proxy/run: {'; '.join(self._both(key, other, run) for key in differing)}. Let both say the same, "
                    f"or only one of them say anything. If {other} is not on this host any more, remove "
                    f"{files.absolute(proxy_settings_file(other))}."
                )

    def _both(self, key: str, other: str, run: Mapping[str, Any]) -> str:
        return f"{key} is {_said(self.run, key)} for {self.app} and {_said(run, key)} for {other}"


def _left(changes: Changes) -> Optional[Mapping[str, Any]]:
    """The container as Kamal's files on this host say, if there are any."""
    left = boot_config.section()
    if not left:
        return None
    container = proxy_container(left)
    changes.notice(
        f"kamal-proxy is run as kamal proxy boot_config left it in {files.absolute(boot_config.FOLDER)}. "
        "The playbook caravan.kamal.proxy.boot_config shows the section proxy/run that says the same"
    )
    return container


def _others(app: str) -> Iterator[Tuple[str, Dict[str, Any]]]:
    for name in files.folders(PROXY_SETTINGS):
        try:
            run = json.loads(files.read(proxy_settings_file(name)) or "{}")
        except (ValueError, RecursionError):
            continue
        if name != app and isinstance(run, dict) and run:
            yield name, run


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> List[str]:
    return [key for key in sorted({**one, **other}) if _value(one, key) != _value(other, key)]


def _value(run: Mapping[str, Any], key: str) -> Any:
    return run.get(key, DEFAULTS.get(key))


def _said(run: Mapping[str, Any], key: str) -> str:
    value = _value(run, key)
    return "not set" if value is None else json.dumps(value)
