# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the stories in molecule/, all or those named, each from beginning to end; one that fails stops no other."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time

from run import BIN, ROOT, environment

LOGS = ROOT / ".cache" / "stories"
# What molecule remembers of a story. One that was cut off would count as begun.
STATES = ROOT / ".cache" / "molecule"


def stories() -> list[str]:
    """All of them, the default one first: it makes the hosts that the others find."""
    names = {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")}
    return sorted(names, key=lambda name: (name != "default", name))


def tell(name: str) -> tuple[int, str]:
    LOGS.mkdir(parents=True, exist_ok=True)
    log, state = LOGS / f"{name}.log", STATES / name
    shutil.rmtree(state, ignore_errors=True)
    with log.open("w") as output:
        done = subprocess.run(
            [str(BIN / "molecule"), "test", "--scenario-name", name],
            cwd=ROOT,
            env={
                **environment(),
                "MOLECULE_EPHEMERAL_DIRECTORY": str(state),
                "NO_COLOR": "1",
                "ANSIBLE_NOCOLOR": "1",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    return done.returncode, log.read_text(errors="replace")


def count(output: str) -> tuple[int, int]:
    """Tests passed and failed, over every summary that pytest wrote."""
    summaries = re.findall(r"^=*\s*((?:\d+ [a-z]+, )*\d+ [a-z]+) in [\d.]+s", output, re.MULTILINE)
    found = re.findall(r"(\d+) (passed|failed|errors?)\b", " ".join(summaries))
    passed = sum(int(number) for number, kind in found if kind == "passed")
    return passed, sum(int(number) for number, _kind in found) - passed


def perform(name: str) -> tuple[int, int]:
    """A story's tests, and the story itself: its hosts were made ready."""
    started = time.monotonic()
    print(f"  {name:<20}", end="", flush=True)
    code, output = tell(name)
    passed, failed = count(output)
    passed, failed = (passed, max(failed, 1)) if code else (passed + 1, failed)
    print(f"{'FAILED' if failed else 'ok':<6}{time.monotonic() - started:7.1f} s  {passed} passed", flush=True)
    if failed:
        print(output.rstrip(), flush=True)
    return passed, failed


def main(names: list[str]) -> int:
    known = stories()
    unknown = [name for name in names if name not in known]
    if unknown or not known:
        print(f"There is no story {', '.join(unknown) or 'at all'}; there are: {', '.join(known) or 'none'}.")
        return 2
    if subprocess.run([str(ROOT / "tools" / "engine.sh")], check=False).returncode:
        return 2
    results = [perform(name) for name in names or known]
    passed = sum(result[0] for result in results)
    failed = sum(result[1] for result in results)
    print(f"  {passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
