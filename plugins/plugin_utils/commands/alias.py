# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An alias of the configuration, run in place of the playbook that was asked for it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from difflib import get_close_matches
from typing import List, Mapping, NoReturn, Sequence

from ansible import constants
from ansible.utils.display import Display

from ...module_utils._errors import ConfigError, Problem
from . import line

PLAYBOOK = "caravan.kamal.alias"
INVENTORY = ("-i", "--inventory", "--inventory-file")


def run(aliases: Mapping[str, str], name: str) -> NoReturn:
    """Never returns: the process goes on as another run, or ends."""
    if not name:
        rows = [f"  {alias}: {command}" for alias, command in aliases.items()] or ["  none"]
        Display().display("\n".join(["\nThe aliases of the configuration:", *rows]))
        raise SystemExit(0)
    words = in_place(sys.argv, translated(aliases, name))
    Display().display(f"{name}: {shlex.join(['ansible-playbook', *words[1:]])}")
    sys.stdout.flush()
    shutil.rmtree(constants.DEFAULT_LOCAL_TMP, ignore_errors=True)
    for descriptor in (0, 1, 2):  # Ansible keeps them from those that it starts.
        os.set_inheritable(descriptor, True)
    os.execv(sys.executable, [sys.executable, *words])


def translated(aliases: Mapping[str, str], name: str) -> List[str]:
    if name not in aliases:
        near = get_close_matches(name, aliases, n=1)
        meant = (
            f"did you mean {near[0]}?"
            if near
            else f"the aliases are {', '.join(aliases)}"
            if aliases
            else "the configuration has none"
        )
        raise ConfigError([Problem(f"there is no alias {name}; {meant}", where="kamal_alias")])
    try:
        return line.translated(aliases[name])
    except ConfigError as error:
        raise ConfigError([Problem(f"{aliases[name]}: {error.message}", f"aliases/{name}")]) from error


def in_place(called: Sequence[str], words: Sequence[str]) -> List[str]:
    """The arguments of this run with those of the alias. Of two that say something else the later one wins, so what was
    typed comes after; only an inventory that the alias names is the only one."""
    *options, playbook = words
    typed = list(called[1:])
    if "-i" in options:
        typed = _without_inventory(typed)
    return [called[0], *options, *(playbook if word == PLAYBOOK else word for word in typed)]


def _without_inventory(words: Sequence[str]) -> List[str]:
    left, kept = iter(words), []
    for word in left:
        if word in INVENTORY:
            next(left, None)
        elif not word.startswith(tuple(f"{name}=" for name in INVENTORY)):
            kept.append(word)
    return kept
