# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One build of an image: with buildx where the docker command has it, else with the engine's own builder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections import deque
from typing import Any, Deque, Dict, Iterable, Iterator, List, Mapping, Optional, Pattern

from .._errors import BuildError, EngineError
from .._host.engine import Engine
from . import buildx
from .source import Source

TAIL = 30
# `Step 3/4 : RUN make` as the engine announces each step, ` > [build 2/3] RUN make:` as buildx names the one that failed.
ENGINE_STEP = re.compile(r"Step \d+/\d+ : (.+)")
BUILDX_STEP = re.compile(r" > (?:\[[^]]*\] )?(.+):")
NO_SPACE = "no space left on device"


class Output:
    """The end of a build's output, and the step of the Dockerfile that it was at."""

    def __init__(self, step: Pattern[str]) -> None:
        self.names_step = step
        self.lines: Deque[str] = deque(maxlen=TAIL)
        self.step: Optional[str] = None

    def add(self, text: str) -> None:
        for line in filter(None, map(str.rstrip, text.splitlines())):
            self.lines.append(line)
            step = self.names_step.fullmatch(line)
            if step:
                self.step = step[1]

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


def has_buildx() -> bool:
    """Whether the docker command is here and can build with BuildKit."""
    if shutil.which("docker") is None:
        return False
    with contextlib.suppress(OSError):
        return subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0
    return False


def build(engine: Engine, source: Source, root: str, docker_host: str) -> None:
    """Build the image under its reference from the project's folder `root`."""
    source.check(root)
    if has_buildx():
        _with_buildx(source, root, docker_host)
    else:
        _with_engine(engine, source, root)


def _with_buildx(source: Source, root: str, docker_host: str) -> None:
    wanted = source.wanted
    options = {
        "platforms": wanted.platforms,
        "tags": [wanted.reference],
        "labels": wanted.labels(source.commit),
        "args": wanted.args,
        "dockerfile": source.dockerfile(root),
        "target": wanted.target,
        "no_cache": wanted.no_cache,
        "progress": "plain",
        "load": True,
        "context": source.context(root),
    }
    output = Output(BUILDX_STEP)
    environment = {**os.environ, **buildx.environment(options), "DOCKER_HOST": docker_host}
    if _run(buildx.argv(options), environment, output):
        raise output.failure(wanted.reference, wanted.dockerfile)


def _run(argv: List[str], environment: Dict[str, str], output: Output) -> int:
    """The exit code of a command; it holds the clone's lock as long as it runs, even if this process is killed."""
    try:
        with subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            close_fds=False,
        ) as process:
            for line in process.stdout or ():
                output.add(line)
    except OSError as error:
        raise BuildError(f"{argv[0]} cannot be started to build: {error}. See whether `docker buildx` runs.") from error
    return process.returncode


def _with_engine(engine: Engine, source: Source, root: str) -> None:
    wanted, output = source.wanted, Output(ENGINE_STEP)
    try:
        with _reading(source.context(root)):
            for event in _events(engine, source, root):
                output.add(str(event.get("stream") or event.get("error") or ""))
                if "error" in event:
                    raise output.failure(wanted.reference, wanted.dockerfile)
    except EngineError as error:
        output.add(error.message)
        raise output.failure(wanted.reference, wanted.dockerfile) from error


def _events(engine: Engine, source: Source, root: str) -> Iterable[Mapping[str, Any]]:
    wanted = source.wanted
    return engine.build(
        wanted.reference,
        source.context(root),
        dockerfile=source.dockerfile(root),
        labels=wanted.labels(source.commit),
        buildargs=wanted.arguments,
        target=wanted.target or "",
        platform=",".join(wanted.platforms) or None,
        nocache=wanted.no_cache,
    )


@contextlib.contextmanager
def _reading(folder: str) -> Iterator[None]:
    """The engine gets the files as one archive, which is made here."""
    try:
        yield
    except OSError as error:
        raise BuildError(
            f"The files in {folder} could not be read for the build: {error}. Make them readable, or leave them out "
            "with .dockerignore; the archive of them also needs room in the folder for temporary files."
        ) from error
