# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an accessory leaves on its host: the folder with its files, and its volumes."""

from __future__ import annotations

from functools import partial
from typing import List, Optional

from .._errors import EngineError
from .._host import files
from .._host.engine import Inspected
from .accessory_host import AccessoryHost


class AccessoryData:
    """`container` is its container, as long as it has one: only that knows the volumes without a name."""

    def __init__(self, host: AccessoryHost, container: Optional[Inspected]) -> None:
        self.host, self.changes, self.engine = host, host.changes, host.engine
        mounts = (container or {}).get("Mounts") or ()
        used = [str(mount["Name"]) for mount in mounts if mount.get("Type") == "volume" and mount.get("Name")]
        known = list(dict.fromkeys([*used, *self._named()]))
        self.volumes = [volume for volume in known if self.engine.has_volume(volume)]
        self.folder = host.name if files.exists(host.name) else None

    def _named(self) -> List[str]:
        host_config = self.host.share.body.get("HostConfig") or {}
        sources = [bind.split(":")[0] for bind in host_config.get("Binds") or () if ":" in bind]
        sources += [str(each.get("Source")) for each in host_config.get("Mounts") or () if each.get("Type") == "volume"]
        return [source for source in sources if "/" not in source]

    def remove(self) -> None:
        for volume in self.volumes:
            try:
                self.changes.do(f"remove volume {volume}", partial(self.engine.remove_volume, volume))
            except EngineError as error:
                self.changes.notice(f"The volume {volume} stays on {self.host.share.host}. {error.message}")
        if self.folder:
            self.changes.do(f"remove folder {self.folder}", partial(files.remove, self.folder))
        outside = [folder.path for folder in self.host.share.directories if folder.path.startswith("/")]
        if outside:
            self.changes.notice(
                f"Folders elsewhere always stay on {self.host.share.host}: {', '.join(outside)}. Remove them there."
            )

    def tell_that_it_stays(self, why: str = "With -e kamal_accessory_data=delete it goes too.") -> None:
        folders = [files.absolute(self.folder)] if self.folder else []
        folders += [folder.path for folder in self.host.share.directories if folder.path.startswith("/")]
        volumes = [f"the volume {volume}" for volume in self.volumes]
        if folders or volumes:
            places = ", ".join([*folders, *volumes])
            self.changes.notice(f"The data of {self.host.name} stays on {self.host.share.host}: {places}. {why}")
