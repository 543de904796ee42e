# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The deploy lock that a run holds, for the person whose run is cut off while it does."""

from __future__ import annotations

from typing import Any, Mapping, Optional

LOCK = "caravan.kamal.lock"
STATES = ("held", "free")


class HeldLock:
    def __init__(self) -> None:
        self._lock: Optional[Mapping[str, Any]] = None

    def remember(self, task: Any, answer: Mapping[str, Any]) -> None:
        """What a task answered, whichever it was."""
        if task.action == LOCK and not task.check_mode and task.args.get("state") in STATES:
            self._lock = answer if answer.get("held") and answer.get("status") == "ours" else None

    def forget(self) -> None:
        """The run has come to its end."""
        self._lock = None

    @property
    def told(self) -> str:
        """Empty where none is held."""
        if not self._lock:
            return ""
        return (
            f"\nThis run still holds the deploy lock of {self._lock.get('name')} on {self._lock.get('host')}. "
            "The next run of the same user on this machine takes it over at once, any other when it has expired; "
            "ansible-playbook caravan.kamal.lock.status shows when that is."
        )
