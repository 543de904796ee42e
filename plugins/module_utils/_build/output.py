# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a build says: its end, the step of the Dockerfile that failed, and how far it is."""

from __future__ import annotations

import re
import time
from collections import deque
from typing import Deque, Dict, Optional, Tuple

from .._errors import BuildError
from .._progress import Progress

TAIL = 30
NO_SPACE = "no space left on device"
# The engine announces each step: `Step 3/4 : RUN make`.
ENGINE_STEP = re.compile(r"Step (\d+/\d+) : (.+)")
ENGINE_CACHED = " ---> Using cache"
# BuildKit has several at a time: `#6 [build 2/3] RUN make`, then `#6 DONE 1.2s` or `#6 CACHED`, and how much came.
BUILDKIT_STEP = re.compile(r"#(\d+) ((?:\[(?!internal\])[^]]*\]|exporting|pushing|importing) .+)")
BUILDKIT_ENDED = re.compile(r"#(\d+) (?:DONE (\d+\.\d)s|CACHED)")
BUILDKIT_BYTES = re.compile(r"#(\d+) (?:sha256:\S+|extracting \S+) (\S+B / \S+B)\b.*")
# The one that failed is named once more: ` > [build 2/3] RUN make:`.
BUILDKIT_FAILED = re.compile(r" > (?:\[[^]]*\] )?(.+):")


class Output:
    """The lines of a build, of which the last ones are kept. What they say of steps is known below."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.lines: Deque[str] = deque(maxlen=TAIL)
        self.step: Optional[str] = None
        self._under_way: Optional[Tuple[str, float]] = None

    def add(self, text: str) -> None:
        for line in filter(None, map(str.rstrip, text.splitlines())):
            self.lines.append(line)
            self.see(line)

    def see(self, line: str) -> None:
        raise NotImplementedError

    def begin(self, step: str) -> None:
        """A step of a builder that has one at a time."""
        self._under_way = (step, time.monotonic())
        self.progress.begun(step)

    def end(self, cached: bool = False) -> None:
        if self._under_way:
            step, began = self._under_way
            self.progress.ended(step, None if cached else time.monotonic() - began)
        self._under_way = None

    def failure(self, reference: str, dockerfile: str) -> BuildError:
        """The error of a build that ended here."""
        step = f" The step that failed: {self.step}." if self.step else ""
        full = any(NO_SPACE in line for line in self.lines)
        remedy = " The disk is full: make room, for example with `docker system prune`." if full else ""
        return BuildError(
            f"{reference} could not be built from {dockerfile}.{step}{remedy} The end of the output:\n"
            + "\n".join(self.lines),
            output=list(self.lines),
            step=self.step,
        )


class EngineOutput(Output):
    """Of the engine's own builder, which takes one step after the other."""

    def see(self, line: str) -> None:
        step = ENGINE_STEP.fullmatch(line)
        if step:
            self.end()
            self.step = step[2]
            self.begin(f"[{step[1]}] {step[2]}")
        elif line == ENGINE_CACHED:
            self.end(cached=True)


class BuildKitOutput(Output):
    """Of BuildKit with `--progress=plain`, whose steps have numbers."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress)
        self.names: Dict[str, str] = {}

    def see(self, line: str) -> None:
        failed = BUILDKIT_FAILED.fullmatch(line)
        if failed:
            self.step = failed[1]
        if line.startswith("#"):
            self._see_step(line)

    def _see_step(self, line: str) -> None:
        step, ended, came = (each.fullmatch(line) for each in (BUILDKIT_STEP, BUILDKIT_ENDED, BUILDKIT_BYTES))
        if step and step[1] not in self.names:
            self.names[step[1]] = step[2]
            self.progress.begun(step[2])
        elif ended and ended[1] in self.names:
            self.progress.ended(self.names[ended[1]], float(ended[2]) if ended[2] else None)
        elif came and came[1] in self.names:
            self.progress.moved(self.names[came[1]], came[2])
