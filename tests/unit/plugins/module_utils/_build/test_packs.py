# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds with buildpacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError
from builds import REFERENCE, Api, run, wanted

PACK = {"builder": "heroku/builder:24", "buildpacks": ["heroku/ruby"]}
FAKE_PACK = """#!/bin/sh
echo "===> BUILDING"
echo "$@"
while [ "$1" != --env-file ]; do shift; done
cat "$2"
exit 1
"""


def test_without_the_command(project: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        BuildError, match="the command pack, which is not installed where the image is built. Install it"
    ):
        run(api, wanted(project, pack=PACK), check_mode=True)


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pack").write_text(FAKE_PACK)
    (folder / "pack").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_what_it_is_asked(project: Path, api: Api, pack: None) -> None:
    (project / "Dockerfile").unlink()
    settings = wanted(project, pack=PACK, context=".", args={"A": "b", "UNSET": None}, secrets={"KEY": "hunter2"})
    with pytest.raises(BuildError, match="The step that failed: BUILDING") as caught:
        run(api, settings)
    _phase, words, *variables = caught.value.details["output"]
    assert words.startswith(
        f"build {REFERENCE} --builder heroku/builder:24 --platform linux/amd64 --creation-time now "
        "--buildpack heroku/ruby --buildpack paketo-buildpacks/image-labels --env-file /"
    )
    assert words.endswith(f" --path {project}")
    assert "hunter2" not in words
    assert variables == [
        "A=b",
        "KEY=hunter2",
        "BP_IMAGE_LABELS=service=app caravan.version=v1 caravan.source=",
    ]


@pytest.mark.parametrize("no_cache", [True, False])
def test_without_the_cache_pack_clears_its_own(project: Path, api: Api, pack: None, no_cache: bool) -> None:
    with pytest.raises(BuildError) as caught:
        run(api, wanted(project, pack=PACK, context=".", no_cache=no_cache))
    assert ("--clear-cache" in caught.value.details["output"][1].split()) is no_cache


def test_a_value_of_several_lines_is_refused(project: Path, api: Api, pack: None) -> None:
    with pytest.raises(BuildError, match="KEY: pack takes no value of several lines"):
        run(api, wanted(project, pack=PACK, secrets={"KEY": "one\ntwo"}))
