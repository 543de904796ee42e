# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file that SOPS encrypted, by `sops`. `--from` is the file; names are its keys, `database/password` a nested one.

A name of a map stands for all that is below it, and without names it is the whole file.
"""

from __future__ import annotations

import os
from typing import Any, Iterator, Mapping, Tuple

from .adapter import Adapter, Found, Request, text_of
from .tool import Tool


def _fetch(request: Request, tool: Tool) -> Found:
    file = os.path.join(tool.around.folder, request.source or "")
    if not os.path.isfile(file):
        raise tool.error(f"there is no file {file}", "Give its path with --from, from the project's folder on.")
    content = tool.ask_json(f"cannot decrypt {file}", "--decrypt", "--output-type", "json", file)
    if not isinstance(content, dict):
        raise tool.error(f"{file} is no map of names to values", "Only such a file can be used.")
    values = dict(_flat(content))
    missing = [name for name in request.names if not any(_is_of(key, name) for key in values)]
    if missing:
        raise tool.error(f"{file} has no {', '.join(missing)}", "See that the keys are right.")
    wanted = request.names
    return {key: value for key, value in values.items() if not wanted or any(_is_of(key, name) for name in wanted)}


def _is_of(key: str, name: str) -> bool:
    return key == name or key.startswith(f"{name}/")


def _flat(content: Mapping[str, Any], above: str = "") -> Iterator[Tuple[str, str]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}/")
        else:
            yield f"{above}{key}", text_of(value)


ADAPTER = Adapter(
    name="sops",
    command="sops",
    install="Install SOPS: https://getsops.io.",
    login="See that the key for it is here (SOPS_AGE_KEY_FILE, gpg, or the login to the cloud's key service).",
    fetch=_fetch,
    source="the encrypted file",
)
