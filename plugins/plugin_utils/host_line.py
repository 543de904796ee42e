# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a line is shown of what happens on a host, by the callback and by tasks that say something meanwhile."""

from __future__ import annotations

from ansible.utils.display import Display


def of(name: str, text: str) -> str:
    return f"    {name:<12}  {text}"


def tell(name: str, text: str) -> None:
    Display().display(of(name, text))
