# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a line is shown of what happens on a host, by the callback and by tasks that say something meanwhile."""

from __future__ import annotations

from ansible.utils.display import Display


def of(name: str, text: str) -> str:
    return f"    {name:<12}  {text}"


def tell(name: str, text: str) -> None:
    Display().display(of(name, text))


class At(str):
    """What a task is at on a host of the play, on its way to a callback that shows such things. For all others it is a
    line of Ansible's log file."""

    host = ""
    what = ""

    @classmethod
    def of(cls, host: str, what: str) -> At:
        made = cls(f"{host}: {what}")
        made.host, made.what = host, what
        return made


def at(host: str, what: str) -> None:
    Display().display(At.of(host, what), log_only=True)
