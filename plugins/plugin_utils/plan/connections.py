# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run does with the sections `ssh` and `sshkit`, where its hosts are those of the configuration or others."""

from __future__ import annotations

from typing import Any, List, Mapping, Tuple

from ..config import ssh
from ..config.load import Config

OF_THE_INVENTORY = (("ssh",), ("sshkit", "pool_idle_timeout"))
OWN = "has no effect here: the connection variables of your own inventory say how hosts are reached"


def secret_names(config: Config) -> List[str]:
    """What has to be known to reach the hosts of a configuration that is the inventory too."""
    return ssh.secret_names(config.data["ssh"]) if config.path else []


def notices(config: Config) -> List[str]:
    if config.path:
        return []
    told = [keys for keys in OF_THE_INVENTORY if _is_written(config, keys)]
    return [f"{'/'.join(keys)} {OWN} ({config.where(*keys)})" for keys in told]


def _is_written(config: Config, keys: Tuple[str, ...]) -> bool:
    section: Mapping[str, Any] = config.written
    for key in keys[:-1]:
        section = section.get(key) or {}
    return keys[-1] in section
