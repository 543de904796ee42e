# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Enpass, by `enpass-cli`. `--from` is the folder of the vault; names are `TITLE` or `TITLE/LABEL`."""

from __future__ import annotations

from typing import Dict

from .adapter import Adapter, Found, Request
from .tool import Tool


def _fetch(request: Request, tool: Tool) -> Found:
    titles: Dict[str, None] = {name.rpartition("/")[0] or name: None for name in request.names}
    vault = request.source or ""
    what = f"cannot read {', '.join(titles)} from the vault {vault}"
    found: Found = {}
    for card in tool.ask_json(what, "-json", "-vault", vault, "show", *titles):
        title, label, password = (card.get(key) or "" for key in ("title", "label", "password"))
        name = f"{title}/{label}" if label else title
        if not title or not password or not {title, name} & set(request.names):
            continue
        if name in found:
            raise tool.error(f"{name} is there more than once", "Rename one of them in Enpass.")
        found[name] = password
    asked = {name for name in request.names if name not in found}
    missing = sorted(name for name in asked if not any(each.startswith(f"{name}/") for each in found))
    if missing:
        raise tool.error(f"there is no {', '.join(missing)}", "See that the titles and labels are right.")
    return found


ADAPTER = Adapter(
    name="enpass",
    command="enpass-cli",
    install="Install enpass-cli: https://github.com/hazcod/enpass-cli.",
    login="Set MASTERPW to the vault's password, which is asked for otherwise; and see that the path is right.",
    fetch=_fetch,
    source="the folder of the vault",
    named="TITLE or TITLE/LABEL",
)
