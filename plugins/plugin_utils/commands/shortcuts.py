# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Less to type: targets of make, recipes of just, and what bash completes, for all playbooks."""

from __future__ import annotations

import shlex
from typing import Callable, Dict, List

from ..variables import BY_NAME, PREFIX
from .help import PREFIX as COLLECTION
from .help import summary
from .takes import TAKES, WITHOUT_INVENTORY, in_common, of_its_own

MAKEFILE = """\
# Written by caravan.kamal.init. In a Makefile: include FILE. Then: make playbooks, make deploy, make app-logs ROLES=web
# A variable kamal_NAME is NAME here. ARGS goes along as it is: make deploy ARGS='--check --diff'.

KAMAL_PLAYBOOK ?= ansible-playbook
KAMAL_INVENTORY ?= -i config/deploy.yml

_kamal_word = '$(subst ','\\'',$(1))'
_kamal_text = "$(subst ",\\",$(subst \\,\\\\,$(1)))"
_kamal_option = -e $(call _kamal_word,{"$(2)": $(call _kamal_text,$($(1)))})
_kamal_given = $(if $(filter command,$(firstword $(origin $(1)))),$(call _kamal_option,$(1),$(2)))
_kamal_pair = $(call _kamal_given,$(firstword $(subst :, ,$(1))),$(lastword $(subst :, ,$(1))))
_kamal_all = $(foreach pair,$(_kamal_names),$(call _kamal_pair,$(pair)))
"""
JUSTFILE = """\
# Written by caravan.kamal.init. In a justfile: import 'FILE'. Then: just deploy, just app-logs -e kamal_roles=web.

set positional-arguments
"""
COMPLETION = """\
# Written by caravan.kamal.init. Names of playbooks and variables for ansible-playbook: source FILE
# In zsh first: autoload -U +X bashcompinit && bashcompinit

_caravan_kamal() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} each variables
  if [[ $before == -e || $before == --extra-vars ]]; then
    variables="%(variables)s"
    for each in "${COMP_WORDS[@]}"; do
      case $each in
%(cases)s
      esac
    done
    COMPREPLY=($(compgen -S = -W "$variables" -- "$word"))
    compopt -o nospace 2>/dev/null
  elif [[ $word == c* ]]; then
    COMPREPLY=($(compgen -f -W "%(playbooks)s" -- "$word"))
  fi
}
complete -o default -o bashdefault -F _caravan_kamal ansible-playbook
"""


def makefile() -> str:
    names = " ".join(f"{name[len(PREFIX) :].upper()}:{name}" for name in BY_NAME)
    targets = " ".join(map(_dashed, TAKES))
    lists = [f"\t@echo {shlex.quote(f'{_dashed(name):<24}{summary(name)}'.replace('$', '$$'))}" for name in TAKES]
    rules = [f"{_dashed(name)}:\n\t{_call(name)} $(_kamal_all) $(ARGS)" for name in TAKES]
    head = f"{MAKEFILE}_kamal_names = {names}\n\n.PHONY: playbooks {targets}\n\nplaybooks:\n"
    return head + "\n".join(lists) + "\n\n" + "\n\n".join(rules) + "\n"


def _call(playbook: str) -> str:
    inventory = "" if playbook in WITHOUT_INVENTORY else "$(KAMAL_INVENTORY) "
    return f"$(KAMAL_PLAYBOOK) {inventory}{COLLECTION}{playbook}"


def justfile() -> str:
    recipes = []
    for name in TAKES:
        inventory = "" if name in WITHOUT_INVENTORY else "-i config/deploy.yml "
        recipes.append(
            f'# {summary(name)}\n{_dashed(name)} *args:\n    ansible-playbook {inventory}{COLLECTION}{name} "$@"\n'
        )
    return "\n".join([JUSTFILE, *recipes])


def completion() -> str:
    cases = [f'        {COLLECTION}{name}) variables="{" ".join(_variables(name))}" ;;' for name in TAKES]
    return COMPLETION % {
        "variables": " ".join(BY_NAME),
        "cases": "\n".join(cases),
        "playbooks": " ".join(f"{COLLECTION}{name}" for name in TAKES),
    }


def _variables(playbook: str) -> List[str]:
    return [*(variable.name for variable in of_its_own(playbook)), *in_common(playbook)]


def _dashed(playbook: str) -> str:
    return playbook.replace(".", "-").replace("_", "-")


KINDS: Dict[str, Callable[[], str]] = {"makefile": makefile, "justfile": justfile, "completion": completion}
