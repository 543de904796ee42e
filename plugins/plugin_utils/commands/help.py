# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a playbook says of itself: what its first comment does, its variables, and Kamal's command for the same."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import List, NoReturn, Sequence

from ansible.utils.display import Display

from ...module_utils._errors import ConfigError, Problem
from .. import invocation
from ..variables import Variable
from .table import UNUSED, Command, of_playbook
from .takes import TAKES, WITHOUT_INVENTORY, in_common, of_its_own

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
PREFIX = "caravan.kamal."
WIDTH, LINE = 24, 100
# Of whose meaning the table of all variables says first which playbooks take them.
TAKEN_BY = re.compile(r"^(?:the same|(?:the playbooks )?`[\w.…]+`(?:, `[\w.…]+`)*): ")
# In the table of all variables: a default that only these playbooks have.
DEFAULT_OF = re.compile(r"(?P<playbooks>(?:`[\w.]+`(?:, )?)+): (?P<default>.*)")


def require_playbooks() -> None:
    """Ansible takes a folder of playbooks for one, and says of it only that it is a directory."""
    problems = []
    for name in invocation.playbooks():
        within = [f"{PREFIX}{each}" for each in TAKES if each.startswith(f"{name}.")]
        if within:
            problems.append(Problem(f"no playbook, but a folder of them: {', '.join(within)}", where=PREFIX + name))
    if problems:
        raise ConfigError(problems)


def show_and_end() -> NoReturn:
    """The help of the playbooks on the command line. Only the main process may call it: no other one can end a run."""
    Display().display(f"\n{of(invocation.playbooks())}")
    raise SystemExit(0)


def of(playbooks: Sequence[str]) -> str:
    """The help of these playbooks; without any the names of all."""
    return "\n\n".join(map(_of_one, playbooks)) if playbooks else _of_all()


def _of_all() -> str:
    rows = [f"  {name:<{WIDTH}}{summary(name)}" for name in TAKES]
    return "\n".join(["The playbooks of caravan.kamal; one tells more with -e kamal_help=true:", "", *rows])


def _of_one(playbook: str) -> str:
    own = [line for variable in of_its_own(playbook) for line in _variable(variable, playbook)]
    common = in_common(playbook)
    parts = [
        f"{PREFIX}{playbook}",
        comment(playbook),
        _block("How:", [call(playbook)]),
        _block("Variables, with -e or from an inventory:", own),
        textwrap.fill(f"Also, as docs/operating.md explains: {', '.join(common)}", LINE) if common else "",
        _block("In Kamal:", [line for command in of_playbook(playbook) for line in _in_kamal(command)]),
    ]
    return "\n\n".join(part for part in parts if part)


def comment(playbook: str) -> str:
    """What stands at the top of its file."""
    text = PLAYBOOKS.joinpath(*playbook.split(".")).with_suffix(".yml").read_text(encoding="utf-8")
    lines = [line for line in text.partition("\n\n")[0].splitlines() if line.startswith("#")]
    return "\n".join(line[1:].lstrip() if line.startswith("# -e") else line[2:] for line in lines)


def summary(playbook: str) -> str:
    """Its first sentence, without the variables that follow a colon."""
    return re.split(r"[.:](?:\s|$)", comment(playbook), maxsplit=1)[0].replace("\n", " ")


def call(playbook: str) -> str:
    """The line that runs it, with what it cannot do without."""
    inventory = [] if playbook in WITHOUT_INVENTORY else ["-i", "config/deploy.yml"]
    needed = [f"-e {name}=…" for command in of_playbook(playbook)[:1] for name in command.needed]
    return " ".join(["ansible-playbook", *inventory, f"{PREFIX}{playbook}", *needed])


def _variable(variable: Variable, playbook: str) -> List[str]:
    kind = " or ".join(variable.choices) or variable.type
    return [
        f"{variable.name}  ({kind}; default: {_plain(_default(variable, playbook))})",
        f"    {_plain(TAKEN_BY.sub('', variable.meaning))}",
    ]


def _default(variable: Variable, playbook: str) -> str:
    """That of this playbook, where some have one of their own."""
    of_all = []
    for part in variable.default.split("; "):
        of_some = DEFAULT_OF.fullmatch(part)
        if of_some and f"`{playbook}`" in of_some["playbooks"]:
            return of_some["default"]
        of_all += [] if of_some else [part]
    return "; ".join(of_all)


def _in_kamal(command: Command) -> List[str]:
    """The command, and its options that have a variable."""
    told = f"kamal {command.words}" + (f", of {command.only_in}" if command.only_in else "")
    told += "".join(f" → -e {said}" for said in command.sets)
    options = [
        f"  {name.partition('/')[0]} → -e {said}" for name, said in command.options.items() if said not in ("", UNUSED)
    ]
    return [told, *options]


def _block(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)]) if lines else ""


def _plain(markdown: str) -> str:
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")
