# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Doppler, by `doppler`. Names are `PROJECT/CONFIG/NAME`, or NAME with `--from PROJECT/CONFIG` or a service token."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from .adapter import Adapter, Found, Request
from .tool import Tool

_SERVICE_TOKEN = "dp.st"


def _fetch(request: Request, tool: Tool) -> Found:
    if not tool.run("me", "--json").ok:
        tool.ask("cannot log in", "login", "-y")
    found: Found = {}
    for place, names in _by_place(request.full_names, tool).items():
        answer = tool.ask_json(f"cannot read {', '.join(names)}", "secrets", "get", *names, "--json", *place)
        values = {name: each["computed"] for name, each in answer.items()}
        missing = [name for name in names if values.get(name) is None]
        if missing:
            raise tool.error(f"{', '.join(missing)} has no value", "See that the names are right.")
        twice = sorted(set(values) & set(found))
        if twice:
            raise tool.error(f"{', '.join(twice)} is asked for in two places", "Fetch each place by itself.")
        found.update(values)
    return found


def _by_place(names: Sequence[str], tool: Tool) -> Dict[Tuple[str, ...], List[str]]:
    """The names that are asked for in each project and config, as the options that say which."""
    places: Dict[Tuple[str, ...], List[str]] = {}
    for name in names:
        words = name.split("/")
        place: Tuple[str, ...] = ()
        if not tool.around.environ.get("DOPPLER_TOKEN", "").startswith(_SERVICE_TOKEN):
            if len(words) < 3 or not all(words):
                raise tool.error(f"{name} does not say in which project and config it is", "Add --from PROJECT/CONFIG.")
            place = ("-p", words[0], "-c", words[1])
        places.setdefault(place, []).append(words[-1])
    return places


ADAPTER = Adapter(
    name="doppler",
    command="doppler",
    install="Install the Doppler CLI: https://docs.doppler.com/docs/install-cli.",
    login="Log in before (doppler login), or set DOPPLER_TOKEN; and see that the names are right.",
    fetch=_fetch,
    named="PROJECT/CONFIG/NAME",
)
