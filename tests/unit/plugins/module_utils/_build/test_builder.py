# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the engine's own builder is asked, and what is told of a build that fails."""

from __future__ import annotations

import errno
from pathlib import Path

import docker.errors
import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import output
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError
from builds import REFERENCE, Api, run, wanted


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
