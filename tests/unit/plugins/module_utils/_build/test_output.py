# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is understood of a build's output: the step that failed, and how far it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build.output import BuildKitOutput, EngineOutput, Output
from ansible_collections.caravan.kamal.plugins.module_utils._build.packs import PackOutput
from ansible_collections.caravan.kamal.plugins.module_utils._progress import Progress
from builds import REFERENCE

ENGINE_OUTPUT = ["Step 1/2 : FROM busybox", " ---> 0123", "Step 2/2 : RUN make", " ---> Running in 4567"]
BUILDKIT_OUTPUT = """\
#4 [internal] load build context
#4 DONE 0.0s
#6 [build 2/2] RUN make
#6 0.321 > compile:
#6 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2
------
 > [build 2/2] RUN make:
0.321 > compile:
------
Dockerfile:2
--------------------
   1 |     FROM busybox
   2 | >>> RUN make
--------------------
ERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2
"""


def heard(kind: type[Output], *lines: str, progress: Progress | None = None) -> Output:
    output = kind(progress or Progress(None, {}))
    for line in lines:
        output.add(f"{line}\n")
    return output


@pytest.mark.parametrize(
    "kind, lines, step",
    [
        (EngineOutput, ENGINE_OUTPUT, "RUN make"),
        (EngineOutput, [*ENGINE_OUTPUT, " > [2/2] RUN other:"], "RUN make"),
        (EngineOutput, ["dockerfile parse error line 1: unknown instruction: FORM"], None),
        (BuildKitOutput, BUILDKIT_OUTPUT.splitlines(), "RUN make"),
        (BuildKitOutput, [" > [internal] load metadata of busybox:"], "load metadata of busybox"),
        (BuildKitOutput, ["ERROR: Cannot connect to the Docker daemon"], None),
        (PackOutput, ["===> DETECTING", "===> BUILDING", "ERROR: failed to build"], "BUILDING"),
    ],
)
def test_the_step_that_failed(kind: type[Output], lines: list[str], step: str | None) -> None:
    error = heard(kind, *lines).failure(REFERENCE, "Dockerfile")
    assert error.details["step"] == step
    assert error.message.startswith(f"{REFERENCE} could not be built from Dockerfile.")
    assert error.message.endswith(lines[-1])
    assert ("The step that failed: " in error.message) is (step is not None)


def test_a_full_disk_has_a_remedy() -> None:
    full = heard(BuildKitOutput, "write /out: no space left on device")
    assert "docker system prune" in full.failure(REFERENCE, "Dockerfile").message


BUILDKIT_STEPS = """\
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#5 [1/3] FROM docker.io/library/busybox
#5 sha256:0123 0B / 31.42MB 0.2s
#5 sha256:0123 10.49MB / 31.42MB 1.2s
#5 DONE 2.4s
#6 [2/3] RUN true
#6 CACHED
#7 [3/3] RUN echo hunter2
#7 0.1 hunter2
#7 DONE 1.0s
#8 exporting to image
#8 exporting layers done
#8 DONE 0.3s
"""


@pytest.mark.parametrize(
    ("kind", "lines", "told"),
    [
        (
            BuildKitOutput,
            BUILDKIT_STEPS,
            [
                ("begun", "[1/3] FROM docker.io/library/busybox", None),
                ("moved", "[1/3] FROM docker.io/library/busybox", "0B / 31.42MB"),
                ("moved", "[1/3] FROM docker.io/library/busybox", "10.49MB / 31.42MB"),
                ("ended", "[1/3] FROM docker.io/library/busybox", 2.4),
                ("begun", "[2/3] RUN true", None),
                ("ended", "[2/3] RUN true", None),
                ("begun", "[3/3] RUN echo ********", None),
                ("ended", "[3/3] RUN echo ********", 1.0),
                ("begun", "exporting to image", None),
                ("ended", "exporting to image", 0.3),
            ],
        ),
        (
            EngineOutput,
            "Step 1/2 : FROM busybox\n ---> Using cache\n ---> 0123\nStep 2/2 : RUN make\n",
            [
                ("begun", "[1/2] FROM busybox", None),
                ("ended", "[1/2] FROM busybox", None),
                ("begun", "[2/2] RUN make", None),
            ],
        ),
    ],
)
def test_how_far_it_is(tmp_path: Path, kind: type[Output], lines: str, told: list[tuple[str, str, Any]]) -> None:
    file = tmp_path / "progress"
    heard(kind, *lines.splitlines(), progress=Progress(str(file), {"password": "hunter2"}))
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(each["state"], each["step"], each.get("amount", each.get("seconds"))) for each in events] == told


def test_a_step_of_the_engine_is_timed(tmp_path: Path) -> None:
    file = tmp_path / "progress"
    heard(EngineOutput, *ENGINE_OUTPUT, progress=Progress(str(file), {}))
    ended = [json.loads(line) for line in file.read_text().splitlines() if '"ended"' in line]
    assert [each["step"] for each in ended] == ["[1/2] FROM busybox"]
    assert ended[0]["seconds"] >= 0


def test_a_file_that_cannot_be_written_stops_nothing() -> None:
    heard(EngineOutput, *ENGINE_OUTPUT, progress=Progress("/nowhere/at/all", {}))
