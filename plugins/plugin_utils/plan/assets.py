# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The assets of a role: which folders of its image, where they lie on a host, and how its container has them."""

from __future__ import annotations

from typing import Iterable, List

from ...module_utils._names import Names, asset_folder
from ...module_utils._shares import AssetShare
from ..config.load import Config
from ..config.topology import Role, strings

READING, WRITING = "ro", "rw"


def shares(config: Config, role: Role, version: str) -> List[AssetShare]:
    """Those of a version. As with Kamal, only what is behind kamal-proxy has any."""
    words = _words(config, role)
    extracted, volumes = Names(config.data["service"], config.destination).asset_directories
    made = []
    for word in words:
        path, _colon, options = word.partition(":")
        folder = asset_folder(role.name, version, path.rstrip("/") if len(words) > 1 else None)
        writable = WRITING in options.split(",")
        made.append(AssetShare(path.rstrip("/"), f"{extracted}/{folder}", f"{volumes}/{folder}", writable))
    return made


def binds(config: Config, role: Role, version: str) -> Iterable[str]:
    """The same as `docker run --volume` takes them: for reading, unless the options say otherwise."""
    for word, share in zip(_words(config, role), shares(config, role, version)):
        options = [each for each in word.partition(":")[2].split(",") if each]
        mode = options if {READING, WRITING} & set(options) else [*options, READING]
        yield f"./{share.volume}:{share.path}:{','.join(mode)}"


def _words(config: Config, role: Role) -> List[str]:
    """A role's own list, or else the root's."""
    value = role.settings.get("asset_path", config.data.get("asset_path"))
    return strings(value) if role.proxied else []
