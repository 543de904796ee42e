# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys of Kamal 1 and what became of them in Kamal 2. `*` stands for the name of a role or an accessory."""

from __future__ import annotations

from typing import Mapping, Optional, Sequence, Tuple, Union

_HEALTHCHECK = "`proxy/healthcheck` with path, interval and timeout, and `proxy/app_port`"

KEYS: Mapping[Tuple[str, ...], str] = {
    ("audit_broadcast_cmd",): "a post-deploy hook",
    ("builder", "local", "arch"): "`builder/arch`",
    ("builder", "local", "host"): "`builder/remote` for another machine; the local one needs none",
    ("builder", "multiarch"): "`builder/arch` with one architecture or a list of them",
    ("builder", "remote", "arch"): "`builder/arch`",
    ("builder", "remote", "host"): "`builder/remote` with the address itself",
    ("healthcheck",): _HEALTHCHECK,
    ("primary_web_role",): "`primary_role`",
    ("servers", "*", "healthcheck"): _HEALTHCHECK + " of the role",
    ("servers", "*", "traefik"): "`proxy` of the role: true, false or a map",
    ("stop_wait_time",): "`stop_timeout`, or `drain_timeout` for requests that are under way",
    ("traefik",): "`proxy`, for kamal-proxy took Traefik's place",
}


def successor(path: Sequence[Union[str, int]]) -> Optional[str]:
    """What Kamal 2 has instead of a key of Kamal 1."""
    keys = tuple(str(key) for key in path)
    if len(keys) == 3 and keys[0] == "servers":
        keys = (keys[0], "*", keys[2])
    return KEYS.get(keys)
