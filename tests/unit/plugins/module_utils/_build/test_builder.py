# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the engine's own builder is asked, and what is told of a build that fails."""

from __future__ import annotations

import errno
import tarfile
from pathlib import Path
from typing import Any, BinaryIO

import docker
import docker.errors
import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import output
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError, EngineError
from ansible_collections.caravan.kamal.plugins.module_utils._host.docker_engine import DockerEngine
from builds import REFERENCE, Api, commit, run, wanted


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


@pytest.mark.parametrize("no_cache", [True, False])
def test_without_the_cache_the_engine_builds_every_step_anew(project: Path, api: Api, no_cache: bool) -> None:
    run(api, wanted(project, no_cache=no_cache))
    assert api.builds[0]["nocache"] is no_cache


def test_what_is_to_stay_out_is_not_sent_to_the_engine(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the Docker SDK itself, which reads .dockerignore."""
    for name in ("in", "out/secret", "out/but-this", "a.log"):
        commit(project, name)
    commit(project, ".dockerignore", "out\n!out/but-this\n*.log\n")
    sent: list[str] = []

    def post(_url: str, data: BinaryIO, **_more: Any) -> None:
        with tarfile.open(fileobj=data) as context:
            sent.extend(member.name for member in context if member.isfile())
        raise docker.errors.APIError("enough is known")

    api = docker.APIClient("unix:///nowhere", version="1.41")
    monkeypatch.setattr(api, "_post", post)
    with pytest.raises(EngineError, match="enough is known"):
        list(DockerEngine(api).build("app:v1", str(project), None, dockerfile=str(project / "Dockerfile")))
    assert {name for name in sent if not name.startswith(".")} == {"Dockerfile", "in", "out/but-this"}


def test_a_dockerfile_with_an_ignore_file_of_its_own_needs_more_than_the_engine(project: Path, api: Api) -> None:
    commit(project, "Dockerfile.dockerignore", "out\n")
    with pytest.raises(BuildError, match="Dockerfile.dockerignore cannot be had without buildx.*Install it"):
        run(api, wanted(project, context="."))
    assert api.builds == []


def test_a_failed_build_shows_its_step_and_the_end_of_its_output(project: Path, api: Api) -> None:
    lines = [{"stream": f"line {number}\n"} for number in range(output.TAIL + 10)]
    api.build_events = [
        {"stream": "Step 2/2 : RUN make\n"},
        *lines,
        {"errorDetail": {}, "error": "returned a non-zero code: 3"},
    ]
    with pytest.raises(BuildError, match="The step that failed: RUN make") as caught:
        run(api, wanted(project))
    shown = caught.value.details["output"]
    assert len(shown) == output.TAIL
    assert shown[-2:] == [lines[-1]["stream"].strip(), "returned a non-zero code: 3"]
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


def test_the_login_is_for_base_images_too(project: Path, api: Api) -> None:
    run(api, wanted(project))
    assert api.logins == [("registry.example.com", "ada", "hunter2")]


def test_a_registry_that_refuses_to_log_in_may_still_not_be_needed(project: Path, api: Api) -> None:
    api.login_error = docker.errors.APIError("unauthorized")
    assert run(api, wanted(project, push=False))["image_id"]
