# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Command lines of password managers that say what the real ones say, and write down how they were called."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What is asked has one answer, or several that are given in turn; the last one stays.
Answers = Mapping[str, Any]

# A shell starts ten times as fast as Python does. Each answer is a file that the shell reads.
SCRIPT = """\
#!/bin/sh
folder=${0%/*}
{
printf '%s\\036' "${0##*/}" "$@"
printf '\\035'
/bin/cat /proc/$$/environ
printf '\\035%s\\034' "$PWD"
} >> "$folder/calls"
case "${0##*/} $*" in
{known}*) echo "nobody thought of ${0##*/} $*" >&2; exit 97;;
esac
set -- "$folder/$answers".*
answer=$1
if [ $# -gt 1 ]; then answer=$folder/given; /bin/mv "$1" "$answer"; fi
. "$answer"
"""


@dataclass
class Vendors:
    """The folder `bin` has the tools that `answers` begin with; nothing else can be found from there."""

    bin: Path

    @classmethod
    def of(cls, folder: Path, answers: Answers) -> Vendors:
        vendors = cls(folder / "vendors")
        vendors.bin.mkdir()
        for number, given in enumerate(answers.values()):
            for turn, each in enumerate(given if isinstance(given, list) else [given]):
                (vendors.bin / f"{number}.{turn}").write_text(_answer(each))
        known = "".join(f"{shlex.quote(asked)}) answers={number};;\n" for number, asked in enumerate(answers))
        for name in {asked.split()[0] for asked in answers}:
            tool = vendors.bin / name
            tool.write_text(SCRIPT.replace("{known}", known))
            tool.chmod(0o755)
        return vendors

    @property
    def calls(self) -> list[dict[str, Any]]:
        log = self.bin / "calls"
        return [_call(each) for each in log.read_text().split("\034")[:-1]] if log.exists() else []

    @property
    def asked(self) -> list[str]:
        return [" ".join(call["argv"]) for call in self.calls]


def _call(text: str) -> dict[str, Any]:
    argv, environ, folder = text.split("\035")
    return {
        "argv": argv.split("\036")[:-1],
        "environ": dict(each.split("=", 1) for each in environ.split("\0") if each),
        "folder": folder,
    }


def _answer(given: Any) -> str:
    """Text is what is printed and a number the exit code; with `err` the environment can be spoken of."""
    if isinstance(given, int):
        given = {"rc": given}
    elif isinstance(given, str):
        given = {"out": given}
    lines = [f"printf %s {shlex.quote(given['out'])}"] if "out" in given else []
    lines += [f"printf %s {_expanded(given['err'])} >&2"] if "err" in given else []
    lines += [given["do"]] if "do" in given else []
    return "\n".join([*lines, f"exit {given.get('rc', 0)}\n"])


def _expanded(text: str) -> str:
    return '"' + re.sub(r'[\\"`]', r"\\\g<0>", text) + '"'


def printed(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
