# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image by way of a registry here: pushed where that lacks it, and no other one is ever taken from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from unittest.mock import Mock

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._delivery import departure, registry
from ansible_collections.caravan.kamal.plugins.module_utils._delivery.parts import Listed
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError, ImageError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from fakes import FakeEngine, add_layered

NAME = "localhost:5555/hello"
REFERENCE, DIGEST = f"{NAME}:v1", "sha256:v1"
SOURCE = f"{NAME}@{DIGEST}"


@pytest.fixture
def builder() -> FakeEngine:
    engine = FakeEngine()
    add_layered(engine, REFERENCE, b"base", b"app")
    return engine


@pytest.fixture
def image(builder: FakeEngine) -> Listed:
    listed = departure.listed(builder, REFERENCE)
    assert listed
    return listed


def test_what_only_the_registry_has_is_fetched(builder: FakeEngine, image: Listed) -> None:
    engine, changes = FakeEngine(), Changes(False)
    assert registry.fetch(engine, changes, REFERENCE) is None, "it has none"
    engine.registry[REFERENCE] = replace(builder.pictures[REFERENCE], digests=[SOURCE])
    engine.stacks = builder.stacks
    assert registry.fetch(engine, Changes(True), REFERENCE) is None and engine.calls == []
    assert registry.fetch(engine, changes, REFERENCE) == image
    assert changes.actions == [f"pull {REFERENCE}"]


def test_a_registry_that_does_not_answer_has_nothing_to_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, changes = FakeEngine(), Changes(False)
    monkeypatch.setattr(engine, "registry_digest", Mock(side_effect=ImageError("connection refused")))
    assert registry.fetch(engine, changes, REFERENCE) is None and changes.actions == []


def pushed(engine: FakeEngine, image: Listed, check: bool = False) -> tuple[str | None, list[str]]:
    changes = Changes(check)
    return registry.push(engine, changes, image), changes.actions


def test_it_is_pushed_once(builder: FakeEngine, image: Listed) -> None:
    assert pushed(builder, image) == (DIGEST, [f"push {REFERENCE}"])
    known = replace(builder.pictures[REFERENCE], digests=[SOURCE])
    builder.pictures[REFERENCE] = builder.registry[REFERENCE] = known
    assert pushed(builder, image) == (DIGEST, [])


def test_another_image_of_that_name_in_the_registry_is_replaced(builder: FakeEngine, image: Listed) -> None:
    builder.pictures[REFERENCE] = replace(builder.pictures[REFERENCE], digests=[SOURCE])
    builder.registry[REFERENCE] = FakeEngine().add_image(REFERENCE, "other", digest="sha256:other")
    assert pushed(builder, image) == (DIGEST, [f"push {REFERENCE}"])


def test_in_check_mode_nothing_is_pushed(builder: FakeEngine, image: Listed) -> None:
    assert pushed(builder, image, check=True) == (None, [f"push {REFERENCE}"])
    assert builder.calls == []


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([{"error": "connection refused"}], f"{REFERENCE} could not be pushed: connection refused"),
        ([{"status": "Pushed"}], "does not say as what"),
    ],
)
def test_a_push_that_fails_is_one_message(
    builder: FakeEngine, image: Listed, monkeypatch: pytest.MonkeyPatch, events: list[dict[str, str]], told: str
) -> None:
    def push(*_arguments: object) -> Iterator[Mapping[str, str]]:
        yield from events

    monkeypatch.setattr(builder, "push", push)
    with pytest.raises(EngineError, match=told):
        pushed(builder, image)


def test_an_image_that_is_gone_by_then_is_told(image: Listed) -> None:
    with pytest.raises(ImageError, match="is not on this host any more"):
        pushed(FakeEngine(), image)


def test_it_is_pulled_by_its_digest_and_gets_its_name(builder: FakeEngine, image: Listed) -> None:
    engine, changes = FakeEngine(), Changes(False)
    engine.registry[SOURCE] = builder.pictures[REFERENCE]
    found = registry.pull(engine, changes, image, DIGEST)
    assert found and found.id == image.image_id and changes.actions == [f"pull {SOURCE}"]
    assert engine.calls == [f"pull {SOURCE}", f"tag {SOURCE} {REFERENCE}"]
    assert engine.pulled_with is None


def test_a_registry_of_the_hosts_own_has_no_such_image(image: Listed) -> None:
    engine, changes = FakeEngine(), Changes(False)
    engine.registry[REFERENCE] = FakeEngine().add_image(REFERENCE, "of somebody else")
    with pytest.raises(ImageError, match="has no image"):
        registry.pull(engine, changes, image, DIGEST)
    assert changes.actions == [] and engine.image(REFERENCE) is None


def test_another_image_gets_no_name(image: Listed) -> None:
    engine, changes = FakeEngine(), Changes(False)
    engine.registry[SOURCE] = FakeEngine().add_image(SOURCE, "of somebody else")
    with pytest.raises(ImageError, match="is another image than"):
        registry.pull(engine, changes, image, DIGEST)
    assert changes.actions == [] and engine.calls == [f"pull {SOURCE}"]


def test_in_check_mode_nothing_is_pulled(image: Listed) -> None:
    engine, changes = FakeEngine(), Changes(True)
    assert registry.pull(engine, changes, image, DIGEST) is None
    assert (changes.actions, engine.calls) == ([f"pull {SOURCE}"], [])
