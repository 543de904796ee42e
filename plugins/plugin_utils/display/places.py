# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines from several places at once: each behind the name of its place, in a colour that its host has alone."""

from __future__ import annotations

from typing import Callable, Dict, Sequence

from ansible.utils.color import stringc
from ansible.utils.display import Display

COLORS = ("cyan", "yellow", "green", "purple", "blue", "bright cyan", "bright yellow", "bright green", "bright purple")


def teller(names: Sequence[str]) -> Callable[[str, str], None]:
    """Shows lines of one of these places; a name begins with that of its host."""
    width = max(map(len, names))
    hosts = list(dict.fromkeys(name.partition(" ")[0] for name in names))
    color: Dict[str, str] = {name: COLORS[hosts.index(name.partition(" ")[0]) % len(COLORS)] for name in names}

    def tell(name: str, text: str) -> None:
        begin = stringc(name.ljust(width), color.get(name, COLORS[0]))
        Display().display("\n".join(f"{begin} | {line}" for line in text.split("\n")))

    return tell
