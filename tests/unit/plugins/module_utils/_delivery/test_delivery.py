# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image from one engine to another: what travels, and what a host makes of it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._delivery import departure
from ansible_collections.caravan.kamal.plugins.module_utils._delivery.arrival import Arrival
from ansible_collections.caravan.kamal.plugins.module_utils._delivery.parts import (
    KEPT_FOR,
    Listed,
    Saved,
    lacking,
    size,
)
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError, ImageError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from fakes import FakeEngine, add_layered, configuration, content_id, tar

BASE, APP, NEWER = b"base" * 1000, b"app", b"newer app"
FOLDER = ".kamal/apps/hello/layers"


@pytest.mark.parametrize(
    ("stacks", "wanted"),
    [
        ([], "abc"),
        (["abc"], ""),
        (["ab"], "c"),
        (["x", "a", "abd"], "c"),
        (["bc", "xbc"], "abc"),
        (["abcd"], ""),
    ],
)
def test_an_engine_has_a_layer_if_another_image_begins_in_the_same_way(stacks: list[str], wanted: str) -> None:
    assert lacking("abc", stacks) == list(wanted)


def test_a_layer_that_is_there_twice_is_sent_once() -> None:
    assert lacking("aebe", ["a"]) == ["e", "b"]


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1200, "1.2 kB"), (1234567, "1.2 MB"), (5 * 10**12, "5000.0 GB")]
)
def test_sizes_are_told_as_docker_does(number: int, text: str) -> None:
    assert size(number) == text


def listed(engine: FakeEngine, reference: str) -> Listed:
    found = departure.listed(engine, reference)
    assert found is not None
    return found


def arrival(engine: FakeEngine, image: Listed, check: bool = False) -> Arrival:
    return Arrival(engine, Changes(check), image, FOLDER)


def sent(saved: Saved, source: Path, host: FakeEngine, image: Listed) -> Path:
    """What the action does, and where."""
    place = Path(arrival(host, image).lacks()["folder"])
    place.mkdir(parents=True, exist_ok=True)
    for file in saved.files:
        if not (place / file.name).exists():
            shutil.copy(source / file.name, place / file.name)
    return place


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    return folder


def test_only_the_layer_that_is_new_travels(engine: FakeEngine, home: Path, source: Path) -> None:
    host = FakeEngine()
    add_layered(host, "hello:v1", BASE, APP)
    there = add_layered(engine, "hello:v2", BASE, NEWER)
    image = listed(engine, "hello:v2")
    looked = arrival(host, image).lacks()
    assert (looked["here"], looked["layers"]) == (False, [content_id(NEWER)])
    saved = departure.save(engine, image, looked["layers"], str(source))
    assert [file.layer for file in saved.files] == [content_id(NEWER)]
    assert [gzip.decompress((source / file.name).read_bytes()) for file in saved.files] == [NEWER]
    assert sorted(os.listdir(source)) == [file.name for file in saved.files]
    sent(saved, source, host, image)
    got = arrival(host, image)
    loaded = got.load(saved, 1234)
    assert loaded is not None and loaded.id == there.id
    assert got.changes.actions == ["load hello:v2: 1 of 2 layers, 1.2 kB sent"]
    assert not (home / FOLDER).exists()
    again = arrival(host, image)
    assert again.load(None, 0) == loaded and again.changes.actions == []
    assert again.lacks()["here"] is True


def test_an_image_of_which_another_build_has_the_name_is_taken_all_the_same(engine: FakeEngine) -> None:
    mine = add_layered(engine, "hello:v1", BASE, APP)
    other = add_layered(engine, "hello:v1", BASE, NEWER)
    found = departure.listed(engine, "hello:v1", mine.id)
    assert found is not None and found.image_id == mine.id
    assert listed(engine, "hello:v1").image_id == other.id


def test_an_image_that_is_gone_is_not_taken_for_another(engine: FakeEngine) -> None:
    add_layered(engine, "hello:v1", BASE, NEWER)
    with pytest.raises(ImageError, match="hello:v1 of this run is gone from the engine that had it"):
        departure.listed(engine, "hello:v1", "sha256:gone")


def test_the_same_layer_is_the_same_file_every_time(engine: FakeEngine, tmp_path: Path) -> None:
    add_layered(engine, "hello:v1", BASE)
    image = listed(engine, "hello:v1")
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first, second = (departure.save(engine, image, image.layers, str(folder)) for folder in folders)
    assert first == second


def test_in_check_mode_it_is_told_and_nothing_is_done(engine: FakeEngine, home: Path) -> None:
    add_layered(engine, "hello:v1", BASE, APP)
    host = FakeEngine()
    looking = arrival(host, listed(engine, "hello:v1"), check=True)
    assert looking.load(None, 0) is None
    assert looking.changes.actions == ["load hello:v1: 2 of 2 layers"] and host.calls == []


def test_an_image_that_is_here_under_another_name_is_tagged(engine: FakeEngine, home: Path) -> None:
    add_layered(engine, "hello:v2", BASE)
    host = FakeEngine()
    add_layered(host, "hello:v1", BASE)
    got = arrival(host, listed(engine, "hello:v2"))
    assert got.load(None, 0) is not None
    assert got.changes.actions == ["tag hello:v2"] and "hello:v2" in host.pictures


def test_layers_that_are_not_compressed_or_named_for_their_hash_are_found(engine: FakeEngine, source: Path) -> None:
    """As engines from 25 on save them, and those that leave images to containerd, which also compress them."""
    image = add_layered(engine, "hello:v1", BASE, APP)
    contents = [{"Config": "blobs/sha256/c", "RepoTags": None, "Layers": ["blobs/sha256/x", "blobs/sha256/y"]}]
    archive = tar(
        {
            "blobs/sha256/c": configuration(image),
            "blobs/sha256/x": gzip.compress(BASE),
            "blobs/sha256/y": APP,
            "index.json": b"{}",
            "manifest.json": json.dumps(contents).encode(),
        }
    )
    engine.save = lambda _reference: iter([archive[:700], archive[700:]])  # type: ignore[method-assign]
    saved = departure.save(engine, listed(engine, "hello:v1"), image.layers, str(source))
    assert {file.layer for file in saved.files} == set(image.layers)
    assert saved.config.encode() == configuration(image)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"0/layer.tar": b"another"}, "gave out hello:v1 without sha256:"),
        ({"0/layer.tar": BASE, "config.json": b'{"rootfs": {"diff_ids": ["sha256:0"]}}'}, "gave out another image"),
    ],
    ids=["a layer", "the image"],
)
def test_an_engine_that_gives_out_something_else_is_told(
    engine: FakeEngine, source: Path, files: dict[str, bytes], message: str
) -> None:
    image = add_layered(engine, "hello:v1", BASE)
    contents = json.dumps([{"Config": "config.json"}]).encode()
    archive = tar({"config.json": configuration(image), "manifest.json": contents, **files})
    engine.save = lambda _reference: iter([archive])  # type: ignore[method-assign]
    with pytest.raises(ImageError, match=message):
        departure.save(engine, listed(engine, "hello:v1"), image.layers, str(source))


def test_an_engine_that_stops_in_the_middle_is_told(engine: FakeEngine, tmp_path: Path) -> None:
    image = add_layered(engine, "hello:v1", BASE)
    contents = json.dumps([{"Config": "config.json"}]).encode()
    files = {"layer.tar": gzip.compress(BASE), "config.json": configuration(image), "manifest.json": contents}
    archive = tar(files).rstrip(b"\0")
    for length in range(0, len(archive), 100):
        engine.save = lambda _reference, end=length: iter([archive[:end]])  # type: ignore[method-assign, misc]
        with pytest.raises(ImageError, match="hello:v1"):
            departure.save(engine, listed(engine, "hello:v1"), image.layers, str(tmp_path))
    engine.save = lambda _reference: iter([tar({**files, "layer.tar": gzip.compress(BASE)[:30]})])  # type: ignore[method-assign]
    with pytest.raises(ImageError, match="did not give out all of hello:v1 .*and run the same command again"):
        departure.save(engine, listed(engine, "hello:v1"), image.layers, str(tmp_path))


def delivered(engine: FakeEngine, home: Path, source: Path) -> tuple[FakeEngine, Listed, Saved]:
    """A host that has been sent all of an image."""
    add_layered(engine, "hello:v1", BASE, APP)
    image = listed(engine, "hello:v1")
    saved = departure.save(engine, image, image.layers, str(source))
    host = FakeEngine()
    sent(saved, source, host, image)
    return host, image, saved


def test_what_arrived_otherwise_than_it_was_sent_is_removed_and_told(
    engine: FakeEngine, home: Path, source: Path
) -> None:
    host, image, saved = delivered(engine, home, source)
    place = Path(arrival(host, image).lacks()["folder"])
    damaged = place / saved.files[0].name
    damaged.write_bytes(b"half")
    with pytest.raises(ImageError, match="did not arrive as it was sent .*; run the same command again"):
        arrival(host, image).load(saved, 1)
    assert not damaged.exists() and (place / saved.files[1].name).exists()
    assert host.calls == []
    assert saved.files[0].name not in arrival(host, image).lacks()["arrived"]


def test_what_arrived_before_is_told(engine: FakeEngine, home: Path, source: Path) -> None:
    host, image, saved = delivered(engine, home, source)
    assert arrival(host, image).lacks()["arrived"] == {file.name: file.size for file in saved.files}


def test_layers_that_were_removed_meanwhile_are_named(engine: FakeEngine, home: Path, source: Path) -> None:
    host, image, saved = delivered(engine, home, source)
    with pytest.raises(ImageError, match="layers are missing that were on this host a moment ago: sha256:"):
        arrival(host, image).load(Saved(saved.config, saved.files[:1]), 1)


@pytest.mark.parametrize(
    ("answer", "message", "stays"),
    [
        (
            "write /var/lib/docker/tmp: no space left on device",
            "The disk of this host is full: .* removed again",
            False,
        ),
        ("driver failed", "driver failed So hello:v1 is not on this host. Run this again", True),
    ],
)
def test_an_engine_that_does_not_take_it_is_one_message(
    engine: FakeEngine, home: Path, source: Path, answer: str, message: str, stays: bool
) -> None:
    host, image, saved = delivered(engine, home, source)

    def refuse(_archive: Iterator[bytes]) -> None:
        raise EngineError(answer)

    host.load = refuse  # type: ignore[method-assign]
    got = arrival(host, image)
    with pytest.raises(ImageError, match=message):
        got.load(saved, 1)
    assert got.changes.actions == [] and (home / FOLDER).exists() is stays


def test_an_engine_that_leaves_images_to_containerd_has_them_under_another_id(
    engine: FakeEngine, home: Path, source: Path
) -> None:
    host, image, saved = delivered(engine, home, source)
    load = FakeEngine.load

    def other_id(archive: Iterator[bytes]) -> None:
        load(host, archive)
        (image_id,) = host.stacks
        host.stacks["another"] = host.stacks.pop(image_id)
        host.pictures.clear()
        host.add_image(image.reference, "another")

    host.load = other_id  # type: ignore[method-assign]
    loaded = arrival(host, image).load(saved, 1)
    assert loaded is not None and loaded.id == "another"
    assert arrival(host, image).lacks()["here"] is True


def test_an_image_that_differs_in_a_variable_alone_is_another_one(engine: FakeEngine, home: Path, source: Path) -> None:
    """As with two destinations that share a version: the last ARG and ENV make no layer, and change no time."""
    add_layered(engine, "hello:v1", BASE)
    image, host = listed(engine, "hello:v1"), FakeEngine()
    host.stacks["of staging"] = [BASE]
    host.pictures["hello:v1"] = replace(host.add_image("hello:v1", "of staging"), settings="of staging")
    looked = arrival(host, image).lacks()
    assert (looked["here"], looked["layers"]) == (False, [])
    loaded = arrival(host, image).load(departure.save(engine, image, [], str(source)), 0)
    assert loaded is not None and loaded.id == image.image_id


@pytest.mark.parametrize("is_here", [False, True], ids=["loaded here", "another run was first"])
def test_what_another_run_is_sending_stays_and_what_nobody_came_back_for_goes(
    engine: FakeEngine, home: Path, source: Path, is_here: bool
) -> None:
    host, image, saved = delivered(engine, home, source)
    if is_here:
        add_layered(host, "hello:v1", BASE, APP)
    theirs, old = home / FOLDER / "theirs/half", home / FOLDER / "gone/half"
    for path in (theirs, old):
        path.parent.mkdir()
        path.write_bytes(b"half")
    os.utime(old, (time.time() - KEPT_FOR - 1,) * 2)
    arrival(host, image, check=True).load(saved, 1)
    assert len(os.listdir(home / FOLDER)) == 3
    arrival(host, image).load(saved, 1)
    assert os.listdir(home / FOLDER) == ["theirs"] and theirs.read_bytes() == b"half"


def test_two_runs_that_send_the_same_layer_do_not_take_it_from_each_other(
    engine: FakeEngine, home: Path, source: Path
) -> None:
    """It lies elsewhere in the second image, so that the host lacks it there also with the first one."""
    add_layered(engine, "hello:v1", BASE, APP)
    add_layered(engine, "hello:v2", NEWER, BASE)
    host, images = FakeEngine(), [listed(engine, f"hello:{version}") for version in ("v1", "v2")]
    each = [departure.save(engine, image, image.layers, str(source)) for image in images]
    for saved, image in zip(each, images, strict=True):
        sent(saved, source, host, image)
    for saved, image in zip(each, images, strict=True):
        loaded = arrival(host, image).load(saved, 1)
        assert loaded is not None and loaded.id == image.image_id
    assert not (home / FOLDER).exists()


def test_what_was_sent_of_another_image_is_not_sent_again(engine: FakeEngine, home: Path, source: Path) -> None:
    host, _image, saved = delivered(engine, home, source)
    add_layered(engine, "hello:v2", BASE, NEWER)
    assert saved.files[0].name in arrival(host, listed(engine, "hello:v2")).lacks()["arrived"]


def test_a_task_that_became_root_leaves_what_the_user_of_the_connection_can_take(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    monkeypatch.setattr(departure, "ROOTS_PLACE", str(tmp_path))
    monkeypatch.setattr(departure._files, "nofollow", lambda: os.O_NOFOLLOW)
    monkeypatch.setattr(departure.os, "chown", lambda path, _user, _group: given.append(path))
    folder = Path(departure.new_folder())
    (folder / "layer").touch()
    departure.hand_over(str(folder))
    assert folder.parent == tmp_path
    assert given == [str(folder / "layer"), str(folder)]


def test_folders_of_a_killed_run_go_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    old, young = Path(departure.new_folder()), Path(departure.new_folder())
    os.utime(old, (time.time() - KEPT_FOR - 1,) * 2)
    new = Path(departure.new_folder())
    assert sorted(path for path in old.parent.iterdir()) == sorted([young, new])
    assert new.stat().st_mode & 0o777 == 0o700
