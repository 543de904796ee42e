# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder of a host that kamal-proxy reads: what lies in it is never changed, only put beside what was there.

kamal-proxy that starts again forgets all routes if a file that one of them names is gone. So whatever changes gets a
name of its own, and goes when no route names it any more. Paths are relative to the home, as in `files`.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Collection, List, Mapping, Sequence, Tuple

from .._errors import ProxyError
from .._host import files, trees
from .._host.changes import Changes
from .._host.engine import Engine
from .._names import PROXY_APPS_CONFIG, PROXY_APPS_CONFIG_INSIDE, PROXY_CONTAINER, PROXY_STATE
from . import commands


def inside(path: str) -> str:
    """Where kamal-proxy finds what lies at a path."""
    return PROXY_APPS_CONFIG_INSIDE + path[len(PROXY_APPS_CONFIG) :]


def make(path: str) -> None:
    """A folder that kamal-proxy, which is no user of this host, may enter."""
    parts = path[len(PROXY_APPS_CONFIG) :].split("/")
    for number in range(1, len(parts) + 1):
        trees.public(PROXY_APPS_CONFIG + "/".join(parts[:number]))


def remove_unnamed(engine: Engine, changes: Changes, paths: Sequence[str], own: Collection[str]) -> None:
    """Remove what routes named before, unless one names it still. In check mode those of `own` have not got their new
    options."""
    if not paths:
        return
    passed_over = own if changes.check_mode else ()
    routes = [each for name, each in commands.look(engine, changes).items() if name not in passed_over]
    named = [str(value) for each in routes for value in each.options.values.values()]
    for path in paths:
        place = inside(path)
        if not any(f"{value}/".startswith(f"{place}/") for value in named):
            changes.do(f"remove {path}", partial(files.remove, path))


def write_for_proxy(engine: Engine, path: str, content: Mapping[str, str]) -> None:
    """Files in a folder that only kamal-proxy may read. Docker writes them, since they are another user's."""
    _require_seen(engine)
    state = engine.archive(PROXY_CONTAINER, os.path.dirname(PROXY_STATE))
    if state is None:
        raise ProxyError(f"{PROXY_CONTAINER} has no folder for its state. Recreate it (kamal_proxy_recreate=true).")
    owner = trees.owner(state)
    make(path)
    engine.put(PROXY_CONTAINER, inside(path), trees.packed(content, files.PRIVATE_FILE, owner))


def _require_seen(engine: Engine) -> None:
    """kamal-proxy has this very folder."""
    container = engine.inspect(PROXY_CONTAINER)
    sources = [source for source, path in _binds(container or {}) if path == PROXY_APPS_CONFIG_INSIDE]
    wanted = files.absolute(PROXY_APPS_CONFIG)
    if os.path.realpath(wanted) not in map(os.path.realpath, sources):
        there = f"it reads {sources[0]}" if sources else "it reads no files of this host"
        raise ProxyError(
            f"{PROXY_CONTAINER} does not read {wanted} on this host: {there}. Deploy as the user that booted it, or "
            "recreate it with -e kamal_proxy_recreate=true."
        )


def _binds(container: Mapping[str, Any]) -> List[Tuple[str, str]]:
    binds = container.get("HostConfig", {}).get("Binds") or []
    return [(bind.split(":")[0], bind.split(":")[1]) for bind in binds]
