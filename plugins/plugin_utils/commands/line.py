# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a command line of Kamal's is for ansible-playbook."""

from __future__ import annotations

import json
import re
import shlex
from difflib import get_close_matches
from typing import Any, Container, Dict, Iterator, List, Mapping, Sequence, Tuple

from ...module_utils._errors import ConfigError, Problem
from ..variables import BY_NAME
from .table import FRAME, REST, UNUSED, Command, by_words

PREFIX = "caravan.kamal."
PLAIN = re.compile(r"[\w./:@,%+-]+")
Pair = Tuple[str, str]
SEE = "docs/from-kamal.md has them all"


def translated(line: str) -> List[str]:
    """The playbook, and its options before it. Raises a ConfigError for what has no counterpart."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise _problem(f"{line!r} cannot be split into words: {error}") from error
    command, rest = _command(words)
    if not command.playbook:
        raise _problem(f"kamal {command.words} has no playbook here: {command.note.replace('`', '')}")
    given, places = _read(command, rest)
    sets = [said.partition("=")[::2] for said in command.sets]
    variables = [*sets, *_placed(command, places)]
    options = [option for name, value in [*_joined(given), *variables] for option in _option(name, value)]
    return [*options, f"{PREFIX}{command.playbook}"]


def _command(words: Sequence[str]) -> Tuple[Command, List[str]]:
    """The command of the first words, and what is left."""
    known = by_words()
    for number in (2, 1):
        name = " ".join([words[0], *(word.replace("-", "_") for word in words[1:number])]) if words else ""
        if len(words) >= number and name in known:
            return known[name], list(words[number:])
    said = " ".join(word for word in words[:2] if not word.startswith("-"))
    near = get_close_matches(said, known, n=1)
    meant = f"; did you mean kamal {near[0]}?" if near else f"; {SEE}"
    raise _problem(f"there is no command kamal {said}{meant}")


def _read(command: Command, words: Sequence[str]) -> Tuple[List[Pair], List[str]]:
    """What options say, and the words that have none."""
    known, given = _options(command), []
    places: List[str] = []
    left = iter(words)
    for word in left:
        meant = _known_options(word, known)
        if word == "--":
            places += left
        elif not _is_option(word) or (not meant and _has_begun(command, places)):
            places.append(word)
        else:
            given += [pair for each in meant or [word] for pair in _said(command, known, each, left)]
    return given, places


def _is_option(word: str) -> bool:
    return word.startswith("-") and len(word) > 1


def _has_begun(command: Command, places: Sequence[str]) -> bool:
    """Whether the words of a command to run have: an option that is not known among them is that one's, as in ls -l."""
    return command.arguments[-1:] == (f"kamal_cmd{REST}",) and len(places) >= len(command.arguments)


def _known_options(word: str, known: Container[str]) -> List[str]:
    """What a word stands for: itself, `-i` and `-p` for `-ip`, `-n=20` for `-n20`; nothing if that is not known."""
    if word.partition("=")[0].replace("_", "-") in known:
        return [word]
    number = re.fullmatch(r"(-[A-Za-z])([0-9]+)", word)
    if number:
        return [f"{number[1]}={number[2]}"] if number[1] in known else []
    letters = [] if word.startswith("--") else [f"-{letter}" for letter in word[1:]]
    return letters if all(letter in known for letter in letters) else []


def _options(command: Command) -> Dict[str, str]:
    """By each of their names."""
    both = {**FRAME, **command.options}
    return {name: said for names, said in both.items() for name in names.split("/")}


def _said(command: Command, known: Mapping[str, str], word: str, left: Iterator[str]) -> List[Pair]:
    name, equals, value = word.partition("=")
    name = name.replace("_", "-")
    if name not in known:
        near = get_close_matches(name, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else f"; {SEE}"
        raise _problem(f"kamal {command.words} takes no {name} here{meant}")
    variable, is_switch, what = known[name].partition("=")
    if not variable or variable == "-v":
        return [(variable, "")] if variable else []
    if not is_switch and not equals:
        value = next(left, "")
    if not is_switch and not value:
        raise _problem(f"kamal {command.words}: {name} needs a value")
    return [] if variable == UNUSED else [(variable, what if is_switch else value)]


def _placed(command: Command, words: Sequence[str]) -> List[Pair]:
    """The variables of words without an option; the last takes all that are left, if it may."""
    left = list(words)
    found: List[Pair] = []
    for name in command.arguments:
        taken, left = (left, []) if name.endswith(REST) else (left[:1], left[1:])
        variable = name.replace(REST, "")
        if taken:
            found.append((variable, ("," if BY_NAME[variable].type == "list" else " ").join(taken)))
    if left:
        raise _problem(f"kamal {command.words} takes no {' '.join(left)} here; {SEE}")
    if command.needs and len(found) < len(command.arguments):
        missing = ", ".join(name.replace(REST, "") for name in command.arguments[len(found) :])
        raise _problem(f"kamal {command.words} lacks what {missing} stands for")
    return found


def _joined(given: Sequence[Pair]) -> Iterator[Tuple[str, Any]]:
    """With one map of all that was given for a variable that takes one, as NAME:VALUE."""
    maps: Dict[str, Dict[str, str]] = {}
    for name, value in given:
        if name in BY_NAME and BY_NAME[name].type == "dict":
            key, _colon, text = value.partition(":")
            maps.setdefault(name, {})[key] = text
        else:
            yield name, value
    yield from maps.items()


def _option(name: str, value: Any) -> List[str]:
    """An option of Ansible's own, or a variable: as JSON where its value has what would be read otherwise."""
    if name.startswith("-"):
        return [name, value] if value else [name]
    if isinstance(value, str) and PLAIN.fullmatch(value):
        return ["-e", f"{name}={value}"]
    words = _literal(value) if isinstance(value, str) else {key: _literal(text) for key, text in value.items()}
    return ["-e", json.dumps({name: words}, ensure_ascii=False)]


def _literal(text: str) -> str:
    """Words that look like a template are none of Ansible's: `{{.Names}}` is for Docker."""
    if not re.search(r"\{[{%#]", text):
        return text
    return "{% raw %}" + text.replace("{%", "{% endraw %}{{ '{%' }}{% raw %}") + "{% endraw %}"


def _problem(message: str) -> ConfigError:
    return ConfigError([Problem(message)])
