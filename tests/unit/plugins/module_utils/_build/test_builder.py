# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the two builders are asked, and what is told of a build that fails."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any, Callable

import docker.errors
import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import builder
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError
from builds import REFERENCE, Api, run, wanted

ENGINE_OUTPUT = ["Step 1/2 : FROM busybox", " ---> 0123", "Step 2/2 : RUN make", " ---> Running in 4567"]
BUILDX_OUTPUT = """\
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


def test_what_the_engine_is_asked(project: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "x")
    monkeypatch.delenv("NOWHERE", raising=False)
    arguments = {"A": "b", "FROM_OUTSIDE": None, "NOWHERE": None}
    run(api, wanted(project, target="app", no_cache=True, context=".", args=arguments))
    asked = api.builds[0]
    labels = asked.pop("labels")
    assert (labels["service"], labels["caravan.version"], len(labels["caravan.source"])) == ("app", "v1", 64)
    assert asked == {
        "path": str(project),
        "dockerfile": str(project / "Dockerfile"),
        "tag": REFERENCE,
        "buildargs": {"A": "b", "FROM_OUTSIDE": "x", "NOWHERE": None},
        "target": "app",
        "platform": "linux/amd64",
        "nocache": True,
        "rm": True,
        "forcerm": True,
        "decode": True,
    }


def output(pattern: Any, *lines: str) -> builder.Output:
    output = builder.Output(pattern)
    for line in lines:
        output.add(f"{line}\n")
    return output


@pytest.mark.parametrize(
    "pattern, lines, step",
    [
        (builder.ENGINE_STEP, ENGINE_OUTPUT, "RUN make"),
        (builder.ENGINE_STEP, [*ENGINE_OUTPUT, " > [2/2] RUN other:"], "RUN make"),
        (builder.ENGINE_STEP, ["dockerfile parse error line 1: unknown instruction: FORM"], None),
        (builder.BUILDX_STEP, BUILDX_OUTPUT.splitlines(), "RUN make"),
        (builder.BUILDX_STEP, [" > [internal] load metadata of busybox:"], "load metadata of busybox"),
        (builder.BUILDX_STEP, ["ERROR: Cannot connect to the Docker daemon"], None),
    ],
)
def test_the_step_that_failed(pattern: Any, lines: list[str], step: str | None) -> None:
    error = output(pattern, *lines).failure(REFERENCE, "Dockerfile")
    assert error.details["step"] == step
    assert error.message.startswith(f"{REFERENCE} could not be built from Dockerfile.")
    assert error.message.endswith(lines[-1])
    assert ("The step that failed: " in error.message) is (step is not None)


def test_a_full_disk_has_a_remedy() -> None:
    full = output(builder.BUILDX_STEP, "write /out: no space left on device")
    assert "docker system prune" in full.failure(REFERENCE, "Dockerfile").message


def test_a_failed_build_shows_its_step_and_the_end_of_its_output(project: Path, api: Api) -> None:
    lines = [{"stream": f"line {number}\n"} for number in range(builder.TAIL + 10)]
    api.build_events = [
        {"stream": "Step 2/2 : RUN make\n"},
        *lines,
        {"errorDetail": {}, "error": "returned a non-zero code: 3"},
    ]
    with pytest.raises(BuildError, match="The step that failed: RUN make") as caught:
        run(api, wanted(project))
    output = caught.value.details["output"]
    assert len(output) == builder.TAIL
    assert output[-2:] == [lines[-1]["stream"].strip(), "returned a non-zero code: 3"]
    assert api.pushes == []


def test_files_that_cannot_be_read(project: Path, api: Api) -> None:
    def fail(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder / "secret"))

    api.while_building = fail
    with pytest.raises(BuildError, match=f"files in {project} could not be read.*Permission denied"):
        run(api, wanted(project, context="."))


def test_what_the_engine_refuses_to_build_names_the_dockerfile(project: Path, api: Api) -> None:
    def refuse(folder: Path) -> None:
        raise docker.errors.APIError("400", explanation="dockerfile parse error line 2: unknown instruction: FORM")

    api.while_building = refuse
    with pytest.raises(BuildError, match="from Dockerfile. The end of the output:\n.*unknown instruction: FORM"):
        run(api, wanted(project))


def test_a_clone_without_the_dockerfile(project: Path, api: Api) -> None:
    with pytest.raises(BuildError, match="There is no Containerfile"):
        run(api, wanted(project, dockerfile="Containerfile"))


FAKE_DOCKER = """#!/bin/sh
echo "$@"
echo "A=$A DOCKER_HOST=$DOCKER_HOST" >&2
exit {code}
"""


@pytest.fixture
def docker_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a docker command of this text in front of all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def install(text: str) -> None:
        (folder / "docker").write_text(text)
        (folder / "docker").chmod(0o755)

    return install


@pytest.mark.parametrize(
    "text, expected", [(FAKE_DOCKER.format(code=0), True), (FAKE_DOCKER.format(code=1), False), ("\x7fELF", False)]
)
def test_has_buildx(docker_command: Callable[[str], None], text: str, expected: bool) -> None:
    docker_command(text)
    assert builder.has_buildx() is expected


def test_buildx_gets_arguments_by_the_environment(
    project: Path, api: Api, docker_command: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_command(FAKE_DOCKER.format(code=3))
    monkeypatch.setattr(builder, "has_buildx", lambda: True)
    with pytest.raises(BuildError) as caught:
        run(api, wanted(project, context="."))
    words, environment = caught.value.details["output"]
    assert environment == "A=b DOCKER_HOST=unix:///var/run/docker.sock"
    assert "--build-arg=A " in words
    assert "--label=service=app --label=caravan.version=v1 --label=caravan.source=" in words
    assert words.endswith(f"--load {project}")


def test_a_docker_command_that_does_not_start(
    project: Path, api: Api, docker_command: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_command("\x7fELF")
    folder = project.parent / "bin"
    (folder / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(builder, "has_buildx", lambda: True)
    with pytest.raises(BuildError, match="docker cannot be started to build"):
        run(api, wanted(project, context="."))


def test_the_docker_command_keeps_the_clone_to_itself(
    project: Path, api: Api, docker_command: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may go on after this process was killed."""
    lock = project.parent / "clones" / ".lock"
    docker_command(f"#!/bin/sh\nls -l /proc/$$/fd | grep -o '{lock}'\nexit 1\n")
    monkeypatch.setattr(builder, "has_buildx", lambda: True)
    with pytest.raises(BuildError) as caught:
        run(api, wanted(project))
    assert caught.value.details["output"] == [str(lock)]
