# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When an image is built, when it is pushed, and that it holds what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import docker.errors
import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import ignored
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError
from builds import REFERENCE, REPOSITORY, Api, checkout, commit, digest_of, git, run, wanted

BUILD = f"build {REFERENCE}"
PUSH = f"push {REFERENCE} and :latest"


def test_the_first_build(project: Path, api: Api) -> None:
    result = run(api, wanted(project))
    image = api.images[REFERENCE]
    assert (result["actions"], result["changed"]) == ([BUILD, PUSH], True)
    assert (result["image_id"], result["digest"], result["engine_id"]) == (
        image["Id"],
        digest_of(image["Id"]),
        "ENGINE",
    )
    assert (result["repository"], result["tag"]) == (REPOSITORY, "v1")
    assert api.registry == {f"{REPOSITORY}:{tag}": result["digest"] for tag in ("v1", "latest")}


def test_the_same_again_changes_nothing(project: Path, api: Api) -> None:
    first = run(api, wanted(project))
    again = run(api, wanted(project))
    assert (again["actions"], again["image_id"], again["digest"]) == ([], first["image_id"], first["digest"])


def test_what_is_not_pushed_has_no_digest(project: Path, api: Api) -> None:
    assert run(api, wanted(project, push=False))["actions"] == [BUILD]
    again = run(api, wanted(project, push=False))
    assert (again["actions"], again["digest"], api.pushes) == ([], None, [])


def test_latest_is_moved_here_only_where_it_is_asked_for(project: Path, api: Api) -> None:
    mine = {"push": False, "latest_here": True}
    assert run(api, wanted(project, **mine))["actions"] == [BUILD, f"tag it as {REPOSITORY}:latest"]
    assert api.images[f"{REPOSITORY}:latest"] is api.images[REFERENCE]
    assert run(api, wanted(project, **mine))["actions"] == []
    assert run(api, wanted(project, version="v2", **mine), check_mode=True)["actions"][1:] == [
        f"tag it as {REPOSITORY}:latest"
    ]


def test_check_mode_tells_and_does_nothing(project: Path, api: Api) -> None:
    result = run(api, wanted(project), check_mode=True)
    assert (result["actions"], result["image_id"], result["digest"]) == ([BUILD, PUSH], None, None)
    assert (api.builds, api.pushes, api.images) == ([], [], {})


@pytest.mark.parametrize(
    "changes",
    [
        {"args": {"A": "c"}},
        {"args": {}},
        {"target": "app"},
        {"dockerfile": "Containerfile"},
        {"context": "."},
        {"arch": ["arm64"]},
        {"arch": []},
        {"force": True},
        {"service": "other"},
    ],
    ids=str,
)
def test_an_image_that_was_made_from_something_else_is_built_anew(
    project: Path, api: Api, changes: dict[str, Any]
) -> None:
    commit(project, "Containerfile", "FROM other\n")
    run(api, wanted(project))
    assert run(api, wanted(project, **changes), check_mode=True)["actions"] == [BUILD, PUSH]
    assert run(api, wanted(project, **changes))["actions"] == [BUILD, PUSH]


def test_a_name_for_another_commit_is_built_anew(project: Path, api: Api) -> None:
    run(api, wanted(project))
    commit(project, "Dockerfile", "FROM other\n")
    assert run(api, wanted(project))["actions"] == [BUILD, PUSH]
    assert api.images[REFERENCE]["Dockerfile"] == "FROM other\n"


def test_an_argument_that_the_environment_changes_counts(
    project: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = wanted(project, args={"FROM_OUTSIDE": None})
    for value, actions in (("x", [BUILD, PUSH]), ("x", []), ("y", [BUILD, PUSH])):
        monkeypatch.setenv("FROM_OUTSIDE", value)
        assert run(api, outside)["actions"] == actions


def test_an_image_without_our_labels_is_built_anew(project: Path, api: Api) -> None:
    api.images[REFERENCE] = {"Id": "sha256:foreign", "Config": {"Labels": {"service": "app"}}, "RepoDigests": []}
    assert run(api, wanted(project))["actions"] == [BUILD, PUSH]


def test_two_destinations_of_one_commit_get_their_own_arguments(project: Path, api: Api) -> None:
    staging = wanted(project, latest="latest-staging", args={"A": "staging"})
    production = wanted(project, latest="latest-production", args={"A": "production"})
    digests = [run(api, each)["digest"] for each in (staging, production, staging)]
    assert [build["buildargs"]["A"] for build in api.builds] == ["staging", "production", "staging"]
    assert digests[0] == digests[2] != digests[1]
    assert api.registry == {
        REFERENCE: digests[0],
        f"{REPOSITORY}:latest-staging": digests[0],
        f"{REPOSITORY}:latest-production": digests[1],
    }


def test_two_destinations_that_build_the_same_share_it_and_both_get_their_latest(project: Path, api: Api) -> None:
    first = run(api, wanted(project, latest="latest-staging"))
    second = run(api, wanted(project, latest="latest-production"))
    assert (second["actions"], second["digest"]) == ([f"push {REFERENCE} and :latest-production"], first["digest"])
    assert set(api.registry) == {REFERENCE, f"{REPOSITORY}:latest-staging", f"{REPOSITORY}:latest-production"}


@pytest.mark.parametrize("lost", [[REFERENCE], [f"{REPOSITORY}:latest"], [REFERENCE, f"{REPOSITORY}:latest"]])
@pytest.mark.parametrize("now", [None, "sha256:another"])
def test_what_the_registry_does_not_have_is_pushed_again(
    project: Path, api: Api, lost: list[str], now: str | None
) -> None:
    first = run(api, wanted(project))
    for tag in lost:
        api.registry.pop(tag)
        api.registry.update({tag: now} if now else {})
    assert run(api, wanted(project), check_mode=True)["actions"] == [PUSH]
    assert run(api, wanted(project))["actions"] == [PUSH]
    assert api.registry == {REFERENCE: first["digest"], f"{REPOSITORY}:latest": first["digest"]}


def test_a_registry_that_does_not_say_what_it_has_is_pushed_to(project: Path, api: Api) -> None:
    run(api, wanted(project))
    api.registry_error = docker.errors.APIError("unauthorized: a token that may push only")
    assert run(api, wanted(project))["actions"] == [PUSH]


def test_an_image_is_not_passed_off_as_another_builds(project: Path, api: Api) -> None:
    """Another build of the same version moves the tag while this one pushes."""
    run(api, wanted(project))
    mine = api.images[REFERENCE]["Id"]
    api.registry.clear()
    other = {"Id": "sha256:other", "Config": {"Labels": {}}, "RepoDigests": []}
    real = api.tag

    def tag(reference: str, repository: str, tag: str, force: bool) -> None:
        real(reference, repository, tag, force)
        api.images[REFERENCE] = other

    api.tag = tag  # type: ignore[method-assign]
    api.images[mine]["RepoDigests"] = []
    with pytest.raises(BuildError, match="another build has the same version"):
        run(api, wanted(project))


@pytest.mark.parametrize("context, notice", [(None, "left out of the image"), (".", "go into the image")])
def test_changes_without_a_commit(project: Path, api: Api, context: str | None, notice: str) -> None:
    (project / "Dockerfile").write_text("FROM nothing\n")
    result = run(api, wanted(project, context=context))
    assert notice in result["notices"][0]
    assert api.images[REFERENCE]["Dockerfile"] == ("FROM nothing\n" if context else "FROM scratch\n")


@pytest.mark.parametrize("repository", [True, False])
def test_what_no_commit_holds_is_built_each_time(tmp_path: Path, api: Api, repository: bool) -> None:
    root = checkout(tmp_path / "project") if repository else tmp_path / "plain"
    root.mkdir(exist_ok=True)
    (root / "Dockerfile").write_text("FROM nothing\n")
    for _time in range(2):
        assert run(api, wanted(root, context="."))["actions"] == [BUILD, PUSH]
    assert api.images[REFERENCE]["Config"]["Labels"]["caravan.source"] == ""


@pytest.mark.parametrize(
    ("dockerignore", "files", "told"),
    [
        (None, ["dist/app.js", "note.log"], "dist and 1 more"),
        ("", ["dist/deep/app.js"], "dist"),
        ("# comment\n\n*.log\ndist/", ["dist/app.js", "note.log"], None),
        ("dist\n!dist/kept.js", ["dist/kept.js", "dist/other.js"], "dist"),
        ("dist\n!dist/kept.js", ["dist/other.js"], None),
        (None, [], None),
    ],
    ids=["no .dockerignore", "an empty one", "both are left out", "one is let in", "the other is not", "none is there"],
)
def test_files_that_git_ignores_are_no_commits_and_go_into_the_image(
    project: Path, api: Api, dockerignore: str | None, files: list[str], told: str | None
) -> None:
    commit(project, ".gitignore", "dist\n*.log\n")
    if dockerignore is not None:
        commit(project, ".dockerignore", dockerignore)
    for name in files:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("made before each deploy")
    run(api, wanted(project, context="."))
    again = run(api, wanted(project, context="."))
    assert again["actions"] == ([BUILD, PUSH] if told else [])
    assert [notice.partition(" (")[2].partition(")")[0] for notice in again["notices"]] == ([told] if told else [])


def test_the_ignore_file_of_a_dockerfile_counts_and_none_does_where_pack_builds(project: Path) -> None:
    commit(project, ".gitignore", "dist\n")
    commit(project, "Dockerfile.dockerignore", "dist\n")
    (project / "dist").mkdir()
    (project / "dist/app.js").write_text("made before each deploy")
    assert ignored.in_context(wanted(project, context=".")) == []
    assert ignored.in_context(wanted(project, context=".", pack={"builder": "b"})) == ["dist"]


@pytest.mark.parametrize("digits", [40, 12, 7])
def test_a_version_that_is_a_commit_is_built_from_it(project: Path, api: Api, digits: int) -> None:
    first = git(project, "rev-parse", "HEAD")
    commit(project, "Dockerfile", "FROM nothing\n")
    version = first[:digits]
    run(api, wanted(project, version=version))
    assert api.images[f"{REPOSITORY}:{version}"]["Dockerfile"] == "FROM scratch\n"


@pytest.mark.parametrize("digits, suffix", [(40, ""), (7, ""), (40, "_uncommitted_0123456789abcdef")])
def test_files_of_another_commit_than_the_version_names_are_refused(
    project: Path, api: Api, digits: int, suffix: str
) -> None:
    version = git(project, "rev-parse", "HEAD")[:digits] + suffix
    run(api, wanted(project, version=version, context="."))
    commit(project, "Dockerfile", "FROM nothing\n")
    with pytest.raises(BuildError, match="names commit"):
        run(api, wanted(project, version=version, context="."), check_mode=True)


@pytest.mark.parametrize("context", [None, "."])
@pytest.mark.parametrize("how", ["commit", "edit"])
def test_a_checkout_that_changes_while_it_is_built_leaves_no_image(
    project: Path, api: Api, context: str | None, how: str
) -> None:
    def change(folder: Path) -> None:
        commit(folder, "new") if how == "commit" else (folder / "new").touch()

    api.while_building = change
    with pytest.raises(BuildError, match="changed while"):
        run(api, wanted(project, context=context))
    assert REFERENCE not in api.images
    assert api.pushes == []


@pytest.mark.parametrize(
    "changes, part",
    [
        ({"dockerfile": "Containerfile", "context": "."}, "There is no Containerfile"),
        ({"context": "missing"}, "builder/context is missing"),
        ({"arch": ["amd64", "arm64"]}, "several of builder/arch cannot be had without buildx"),
        ({"project_root": "/nowhere/at/all"}, "kamal_build_host"),
    ],
)
def test_mistakes_are_found_before_anything_is_done(
    project: Path, api: Api, changes: dict[str, Any], part: str
) -> None:
    with pytest.raises(BuildError, match=part):
        run(api, wanted(project, **changes), check_mode=True)
