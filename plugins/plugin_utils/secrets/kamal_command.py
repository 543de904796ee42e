# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`kamal secrets fetch` and `kamal secrets extract`, for secrets files that call them in `$(…)`: without Ruby.

`SECRETS=$(kamal secrets fetch --adapter 1password --account acme --from Vault/Item DATABASE_URL REDIS_URL)`, and below
it `DATABASE_URL=$(kamal secrets extract DATABASE_URL $SECRETS)`.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ...module_utils._errors import SecretError
from .adapter import Request, text_of
from .adapters import fetch
from .tool import SECONDS, Surroundings

# Kamal's own options of these commands, with their short forms; those without a meaning here are read all the same.
_VALUED = {
    "--adapter": "adapter",
    "-a": "adapter",
    "--account": "account",
    "--from": "source",
    "--config-file": "",
    "-c": "",
    "--destination": "",
    "-d": "",
    "--version": "",
    "--hosts": "",
    "-h": "",
    "--roles": "",
    "-r": "",
}
_FLAGS = ("--inline", "--verbose", "-v", "--quiet", "-q", "--primary", "-p", "--skip-hooks", "-H")
_UNPLAIN = re.compile(r"[^A-Za-z0-9_\-.,:+/@\n]")


def run(argv: Sequence[str], environ: Mapping[str, str], folder: str, seconds: float = SECONDS) -> str:
    """What the command prints; `argv` are the words after `kamal secrets`, `folder` is the project."""
    command, words = (argv[0], argv[1:]) if argv else ("", ())
    options, names = _read(words)
    if command == "fetch":
        return _fetched(options, names, Surroundings(environ, folder, seconds))
    if command == "extract":
        return _extracted(names)
    if command == "print":
        raise SecretError("kamal secrets print cannot be part of a secrets file: it prints what the file is read for.")
    raise SecretError(f"There is no command kamal secrets {command}. Those that there are: fetch, extract.")


def _read(words: Sequence[str]) -> Tuple[Dict[str, str], List[str]]:
    """The options that count, and the words that are none."""
    options: Dict[str, str] = {}
    names: List[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return options, names + waiting
        name, sign, value = word.partition("=")
        if name in _VALUED:
            if not sign and not waiting:
                raise SecretError(f"kamal secrets: the option {name} has no value.")
            options[_VALUED[name]] = value if sign else waiting.pop(0)
        elif word.startswith("--") and word not in _FLAGS:
            raise SecretError(f"kamal secrets: there is no option {name}. Use --adapter, --account and --from.")
        elif word not in _FLAGS:
            names.append(word)
    return options, names


def _fetched(options: Mapping[str, str], names: Sequence[str], around: Surroundings) -> str:
    if not options.get("adapter"):
        raise SecretError("kamal secrets fetch: the option --adapter is missing. Name the password manager.")
    request = Request(tuple(names), options.get("account"), options.get("source"))
    return escaped(json.dumps(fetch(options["adapter"], request, around), ensure_ascii=False))


def escaped(text: str) -> str:
    """As one word for a shell, the way Kamal does it: the variable that holds it is used without quotes."""
    return _UNPLAIN.sub(r"\\\g<0>", text).replace("\n", "'\n'") or "''"


def _extracted(words: Sequence[str]) -> str:
    if len(words) != 2:
        raise SecretError(
            f"kamal secrets extract: expected a name and what fetch printed, not {len(words)} words. "
            "Write $(kamal secrets extract NAME $SECRETS), where SECRETS=$(kamal secrets fetch …) stands above."
        )
    return extract(words[0], fetched(words[1]))


def fetched(text: str) -> Dict[str, Any]:
    """What fetch printed, whether a shell has read it since then or not."""
    for reading in (_as_it_is, _as_a_word):
        try:
            found = json.loads(reading(text))
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    raise SecretError("kamal secrets extract: that is not what kamal secrets fetch printed, but something else.")


def _as_it_is(text: str) -> str:
    return text


def _as_a_word(text: str) -> str:
    return "".join(shlex.split(text))


def extract(name: str, found: Mapping[str, Any]) -> str:
    """The secret of that name, else the first one whose full name ends with it."""
    matches = [found.get(name), *(value for key, value in found.items() if key.endswith(f"/{name}"))]
    value = next((each for each in matches if each is not None), None)
    if value is None:
        known = ", ".join(found) or "nothing"
        raise SecretError(f"kamal secrets extract: there is no secret {name}. Fetched was: {known}.")
    return text_of(value)
