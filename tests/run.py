# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the checks named on the command line, or all of them: a line for each, its output only when it fails.

The stories wait for hosts most of the time, so the other checks run beside them, and give way to them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".venv" / "bin"
COLLECTIONS = ROOT / ".cache" / "collections"
TREE = COLLECTIONS / "ansible_collections" / "caravan" / "kamal"
PYTHON = str(BIN / "python")


@dataclass(frozen=True)
class Check:
    """One command. `counts` says that it reports tests of its own, `speaks` that its progress is worth watching."""

    name: str
    argv: tuple[str, ...]
    cwd: Path = ROOT
    counts: bool = False
    speaks: bool = False


CHECKS = {
    "lint": (
        Check("ruff check", (str(BIN / "ruff"), "check", "--quiet", ".")),
        Check("ruff format", (str(BIN / "ruff"), "format", "--check", "--quiet", ".")),
        # What it reads is in mypy.ini.
        Check("mypy", (str(BIN / "mypy"), "--strict")),
        # Unlike the clone, the copy is found by its collection name.
        Check("ansible-lint", (str(BIN / "ansible-lint"), "--nocolor", "-q"), cwd=TREE),
    ),
    "sanity": (Check("ansible-test sanity", ("tests/sanity.sh",)),),
    "unit": (Check("unit tests", ("tests/unit.sh",), counts=True),),
    "docs": (Check("docs", (PYTHON, "tools/docs.py", "--check")),),
    "molecule": (Check("stories", (PYTHON, "tests/stories.py"), counts=True, speaks=True),),
}


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(check: Check) -> tuple[int, str]:
    process = subprocess.Popen(
        check.argv,
        cwd=check.cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if check.speaks:
            print(line, end="", flush=True)
    return process.wait(), "".join(lines)


def count(output: str) -> tuple[int, int]:
    """Tests passed and failed, from the last summary that pytest or the stories wrote."""
    summaries = [line for line in output.splitlines() if re.search(r"\d+ (passed|failed|errors?)\b", line)]
    found = re.findall(r"(\d+) (passed|failed|errors?)\b", summaries[-1] if summaries else "")
    passed = sum(int(number) for number, kind in found if kind == "passed")
    return passed, sum(int(number) for number, _kind in found) - passed


def outcome(check: Check, code: int, output: str) -> tuple[int, int]:
    if not check.counts:
        return (0, 1) if code else (1, 0)
    passed, failed = count(output)
    # An exit code that the summary does not explain, and a summary that counts nothing, are failures of their own.
    return (passed, failed) if failed or (passed and not code) else (passed, 1)


def perform(check: Check) -> tuple[int, int]:
    started = time.monotonic()
    if check.speaks:
        print(f"{check.name}:", flush=True)
    code, output = run(check)
    passed, failed = outcome(check, code, output)
    if not check.speaks:
        detail = f"  {passed} passed" if check.counts and passed else ""
        verdict = f"{check.name:<22}{'FAILED' if failed else 'ok':<6}{time.monotonic() - started:7.1f} s{detail}"
        shown = output if failed else "\n".join(re.findall(r"^skipped: .*|^SKIPPED .*", output, re.MULTILINE))
        # In one piece: a line of the stories may come at any time.
        print("\n".join(filter(None, (verdict, shown.rstrip()))), flush=True)
    return passed, failed


def perform_all(checks: list[Check]) -> list[tuple[int, int]]:
    return [perform(check) for check in checks]


def giving_way(check: Check) -> Check:
    """At a lower priority, but not at the lowest: its tests wait for processes, and not for ever."""
    return replace(check, argv=("nice", "-n", "5", *check.argv))


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"There is no check named {', '.join(unknown)}; there are: {', '.join(CHECKS)}.", file=sys.stderr)
        return 2
    checks = [check for name in names or CHECKS for check in CHECKS[name]]
    lanes = [[check for check in checks if check.speaks], [giving_way(check) for check in checks if not check.speaks]]
    with ThreadPoolExecutor(len(lanes)) as pool:
        results = [result for lane in pool.map(perform_all, lanes) for result in lane]
    passed = sum(result[0] for result in results)
    failed = sum(result[1] for result in results)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
