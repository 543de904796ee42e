# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose an accessory is: its name has no destination in it, so those of one host may share it."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from .._errors import AccessoryError
from .._host.engine import Inspected
from .._names import DESTINATION_LABEL
from .accessory_host import AccessoryHost


class AccessoryOwner:
    def __init__(self, host: AccessoryHost) -> None:
        self.host, self.share, self.ours = host, host.share, host.share.destination or ""

    def require_ours(self, container: Optional[Inspected]) -> None:
        service = _labels(container).get("service")
        if service not in (None, self.host.name):
            raise AccessoryError(
                f"The container {self.host.name} on this host belongs to the service {service}. "
                f"Give accessories/{self.share.name}/service another name."
            )

    def another(self, container: Optional[Inspected]) -> Optional[str]:
        """The other destination that a container was booted for, in words; None if it is ours or nobody's."""
        theirs = _labels(container).get(DESTINATION_LABEL, self.ours)
        return None if theirs == self.ours else _destination(theirs)

    def why_it_stays(self, container: Optional[Inspected]) -> Optional[str]:
        """Why the accessory may be another destination's, also without a container; None if it is ours."""
        booted_for = self.another(container)
        if booted_for:
            return f"it was booted for {booted_for}"
        there = {c.labels.get("destination", "") for c in self.host.engine.containers(f"service={self.share.app}")}
        others = sorted(there - {self.ours})
        return f"{self.share.app} is also here for {', '.join(map(_destination, others))}" if others else None


def _labels(container: Optional[Inspected]) -> Mapping[str, Any]:
    return (container or {}).get("Config", {}).get("Labels") or {}


def _destination(name: str) -> str:
    return f"the destination {name}" if name else "no destination"
