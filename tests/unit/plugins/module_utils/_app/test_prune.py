# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which containers and images may go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.prune import (
    expendable_containers,
    expendable_images,
    prune_all,
)
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Container, Image
from ansible_collections.caravan.kamal.plugins.module_utils._names import Names
from fakes import FakeEngine


def container(
    version: str, role: str = "web", destination: str = "", state: str = "exited", suffix: str = ""
) -> Container:
    name = Names("hello", destination or None).container(role, version) + suffix
    labels = {"service": "hello", "role": role, "destination": destination}
    return Container(name, name, state, f"image {version}", 0, labels=labels)


def names(containers: list[Container]) -> list[str]:
    return [container.name for container in containers]


@pytest.mark.parametrize(
    ("containers", "retain", "keep", "expected"),
    [
        ([container("v3"), container("v2"), container("v1")], 2, set(), ["hello-web-v1"]),
        ([container("v3"), container("v2"), container("v1")], 5, set(), []),
        ([container("v3"), container("v2"), container("v1")], 1, {"v1"}, ["hello-web-v2"]),
        ([container("v3", state="running"), container("v2"), container("v1")], 1, set(), ["hello-web-v1"]),
        ([container("v3", state="restarting"), container("v2")], 0, set(), ["hello-web-v2"]),
        (
            [container("v3"), container("v2", "worker"), container("v2"), container("v1", "worker")],
            1,
            set(),
            ["hello-web-v2", "hello-worker-v1"],
        ),
        ([container("v3"), container("v3", destination="staging")], 1, set(), []),
        (
            [container("v3", state="created", suffix="_staged"), container("v2"), container("v1")],
            1,
            set(),
            ["hello-web-v1"],
        ),
        (
            [container("v2"), container("v1", state="dead"), container("v0", state="created")],
            1,
            set(),
            ["hello-web-v1", "hello-web-v0"],
        ),
    ],
    ids=[
        "oldest",
        "few",
        "last good one",
        "running is no quota",
        "restarting is running",
        "per role",
        "per destination",
        "staged",
        "dead and created",
    ],
)
def test_expendable_containers(containers: list[Container], retain: int, keep: set[str], expected: list[str]) -> None:
    assert sorted(names(expendable_containers(containers, retain, keep))) == sorted(expected)


def test_the_version_of_our_own_label_counts_before_the_name() -> None:
    renamed = Container(
        "c",
        "hello-web-v1_replaced_0123456789abcdef",
        "exited",
        "i",
        0,
        labels={"service": "hello", "role": "web", "destination": "", "caravan.version": "v1"},
    )
    assert expendable_containers([renamed], 0, {"v1"}) == []
    assert expendable_containers([renamed], 0, {"v2"}) == [renamed]


@pytest.mark.parametrize(
    ("image", "keep", "expected"),
    [
        (Image("i1", ["hello:v1"], (), {}), set(), ["hello:v1"]),
        (Image("i1", ["hello:v1", "hello:v1b"], (), {}), set(), ["hello:v1", "hello:v1b"]),
        (Image("image v2", ["hello:v2"], (), {}), set(), []),
        (Image("i1", ["hello:v1", "hello:latest"], (), {}), set(), []),
        (Image("i1", ["hello:latest-staging"], (), {}), set(), []),
        (Image("i1", ["hello:v1"], (), {}), {"v1"}, []),
        (Image("i1", [], (), {}), set(), ["i1"]),
        (Image("i1", ["<none>:<none>"], (), {}), set(), ["i1"]),
        (Image("i1", ["registry:4443/hello:v1"], (), {}), set(), ["registry:4443/hello:v1"]),
    ],
    ids=[
        "unused",
        "two tags",
        "used by a container",
        "latest",
        "latest elsewhere",
        "kept version",
        "untagged",
        "untagged as listed",
        "registry with a port",
    ],
)
def test_expendable_images(image: Image, keep: set[str], expected: list[str]) -> None:
    assert expendable_images([image], [container("v2")], keep) == expected


def test_images_of_another_repository_are_left_alone() -> None:
    images = [Image("i1", ["hello:v1"], (), {}), Image("i2", ["registry:4443/hello:v1"], (), {})]
    assert expendable_images(images, [], set(), "registry:4443/hello") == ["registry:4443/hello:v1"]


def test_pruning_removes_containers_then_their_images_but_not_what_a_rollback_wants(
    engine: FakeEngine, home: Path
) -> None:
    for number in range(1, 6):
        engine.add_image(f"hello:v{number}", f"i{number}")
        state = "running" if number == 5 else "exited"
        engine.add(f"hello-web-v{number}", f"i{number}", state, service="hello", role="web", destination="")
    history = [{"version": f"v{number}"} for number in (1, 2, 5)]
    (home / ".kamal/apps/hello").mkdir(parents=True)
    (home / ".kamal/apps/hello/history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in history))
    changes = Changes(check_mode=False)
    prune_all(engine, changes, Names("hello"), 1, [])
    assert changes.actions == [
        "remove container hello-web-v3",
        "remove container hello-web-v1",
        "remove image hello:v1",
        "remove image hello:v3",
    ]
    assert "hello-web-v2" in engine.here
    again = Changes(check_mode=False)
    prune_all(engine, again, Names("hello"), 1, [])
    assert again.actions == []


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["containers"], ["remove container hello-web-v1", "remove secrets of version v1"]),
        (["images"], ["remove image hello:v0"]),
        (
            ["images", "containers"],
            [
                "remove container hello-web-v1",
                "remove image hello:v0",
                "remove image hello:v1",
                "remove secrets of version v1",
            ],
        ),
    ],
)
def test_one_part_alone_can_be_pruned(engine: FakeEngine, home: Path, parts: list[str], expected: list[str]) -> None:
    for number in range(4):
        engine.add_image(f"hello:v{number}", f"i{number}")
    for number in range(1, 4):
        state = "running" if number == 3 else "exited"
        engine.add(f"hello-web-v{number}", f"i{number}", state, service="hello", role="web", destination="")
    (home / ".kamal/apps/hello/env/releases/v1").mkdir(parents=True)
    predicted, done = Changes(check_mode=True), Changes(check_mode=False)
    for changes in (predicted, done):
        prune_all(engine, changes, Names("hello"), 1, [], parts)
    assert done.actions == predicted.actions
    assert done.actions == expected


def test_the_secrets_of_a_version_go_with_its_last_container_unless_a_rollback_may_want_them(
    engine: FakeEngine, home: Path
) -> None:
    engine.add("hello-web-v5", "i5", service="hello", role="web", destination="")
    engine.add("hello-web-v3", "i3", "exited", service="hello", role="web", destination="")
    engine.add("hello-web-staging-v2", "i2", "exited", service="hello", role="web", destination="staging")
    record(home, "hello", {"version": "v4"}, {"version": "v5"})
    record(home, "hello-staging", {"version": "v1"})
    kept = home / ".kamal/apps/hello/env/releases"
    for version in ("v1", "v2", "v3", "v4", "v5"):
        (kept / version / "roles").mkdir(parents=True)
        (kept / version / "roles/web.env").write_text("A=1\n")
    expected = [f"remove secrets of version {version}" for version in ("v1", "v2")]
    for check, actions in ((True, expected), (False, expected), (False, [])):
        changes = Changes(check_mode=check)
        prune_all(engine, changes, Names("hello"), 1, [])
        assert changes.actions == actions
    assert sorted(path.name for path in kept.iterdir()) == ["v3", "v4", "v5"]


def record(home: Path, directory: str, *lines: dict[str, str]) -> None:
    """The history of a service, in its directory below `apps`."""
    path = home / ".kamal/apps" / directory / "history.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_pruning_keeps_the_images_that_another_destination_may_go_back_to(engine: FakeEngine, home: Path) -> None:
    for number in range(1, 7):
        engine.add_image(f"hello:v{number}", f"i{number}")
    engine.add("hello-web-v6", "i6", service="hello", role="web", destination="")
    engine.add("hello-web-staging-v5", "i5", service="hello", role="web", destination="staging")
    record(
        home, "hello-staging", *({"version": f"v{number}"} for number in (2, 3, 4, 5)), {"version": "v4", "bad": "x"}
    )
    predicted, done = Changes(check_mode=True), Changes(check_mode=False)
    prune_all(engine, predicted, Names("hello"), 1, [])
    prune_all(engine, done, Names("hello"), 1, [])
    assert (
        done.actions == predicted.actions == ["remove image hello:v1", "remove image hello:v2", "remove image hello:v4"]
    )


@pytest.mark.parametrize("destination", ["", "staging"])
def test_pruning_keeps_the_image_that_a_rollback_takes_though_its_tag_is_anothers(
    engine: FakeEngine, home: Path, destination: str
) -> None:
    engine.add_image("hello:v1", "i1")
    engine.add_image("hello:v1", "i1 of another destination")
    engine.add("hello-web-v2", "i2", service="hello", role="web", destination="")
    lines = [{"version": "v1", "image_id": "i0"}, {"version": "v1", "image_id": "i1"}, {"version": "v2"}]
    record(home, Names("hello", destination or None).qualified, *lines)
    changes = Changes(check_mode=False)
    prune_all(engine, changes, Names("hello"), 1, [])
    assert "i1" in engine.pictures and changes.actions == []


@pytest.mark.parametrize("labels", [{"service": "shop", "role": "web", "destination": ""}, {"service": "hello-db"}, {}])
def test_an_image_that_something_else_on_the_host_uses_stays(
    engine: FakeEngine, home: Path, labels: dict[str, str]
) -> None:
    engine.add_image("hello:v1", "i1")
    engine.add("another", "i1", "exited", **labels)
    changes = Changes(check_mode=False)
    prune_all(engine, changes, Names("hello"), 1, [])
    assert changes.actions == []


@pytest.mark.parametrize(
    ("directory", "lines", "container", "kept"),
    [
        ("hello-admin", [{"version": "v1", "image_id": "i1"}], None, True),
        ("hello-admin", [{"version": "v1"}], {"service": "hello", "role": "web", "destination": "admin"}, True),
        ("hello-admin", [{"version": "v1", "image_id": "i7"}], {"service": "hello-admin", "destination": ""}, False),
        ("hello-admin", [{"version": "v1"}], None, False),
        ("hello", [{"version": "v1", "image_id": "i1"}], None, True),
        ("helloworld", [{"version": "v1", "image_id": "i1"}], None, False),
    ],
    ids=[
        "its images",
        "a container of that destination",
        "a service of that name",
        "nobody knows whose",
        "the one without a destination",
        "a longer name",
    ],
)
def test_whose_history_says_what_is_kept(
    engine: FakeEngine,
    home: Path,
    directory: str,
    lines: list[dict[str, str]],
    container: dict[str, str] | None,
    kept: bool,
) -> None:
    engine.add_image("hello:v1", "i1")
    engine.add_image("hello-admin:v1", "i7", service="hello-admin")
    if container:
        engine.add("another", "i7", **container)
    record(home, directory, *lines)
    prune_all(engine, Changes(check_mode=False), Names("hello", "staging"), 1, [])
    assert ("hello:v1" in engine.pictures) == kept


def test_what_else_lies_among_the_folders_of_services_is_passed_over(engine: FakeEngine, home: Path) -> None:
    engine.add_image("hello:v1", "i1")
    (home / ".kamal/apps/hello-empty").mkdir(parents=True)
    (home / ".kamal/apps/hello-backup.tar").write_text("")
    changes = Changes(check_mode=False)
    prune_all(engine, changes, Names("hello"), 1, [])
    assert changes.actions == ["remove image hello:v1"]


@pytest.mark.parametrize("repository", ["team/hello", "docker.io/team/hello", "index.docker.io/team/hello"])
def test_docker_hub_may_be_named_or_not(repository: str) -> None:
    images = [Image("i3", ["team/hello:v3"], (), {}), Image("i1", ["team/hello:v1", "team/hello:latest"], (), {})]
    assert expendable_images(images, [], {"v4"}, repository) == ["team/hello:v3"]


def test_pruning_keeps_what_is_an_accessory_of_another_service(engine: FakeEngine, home: Path) -> None:
    """Accessories have a label of a service that may be another one's name, and neither a role nor a destination."""
    engine.add("hello", "ia", "exited", service="hello")
    engine.add("hello-web-exec-v1-1", "i1", "exited", service="hello", destination="")
    changes = Changes(check_mode=False)
    prune_all(engine, changes, Names("hello"), 0, ())
    assert changes.actions == ["remove container hello-web-exec-v1-1"]
    assert set(engine.here) == {"hello"}
