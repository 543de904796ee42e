# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image present under its tag, and the right one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import image as _image
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ImageError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._shares import Built, ImageShare
from fakes import FakeEngine

WANTED = ImageShare(service="hello", repository="r:1/hello", tag="v1", latest="latest", pull=True)
LOCAL = replace(WANTED, pull=False)
REFERENCE = "r:1/hello:v1"
LOGIN = {"username": "u", "password": "p"}


def ensure(engine: FakeEngine, wanted: Any = None, check: bool = False, **built: str) -> tuple[list[str], Any]:
    changes = Changes(check_mode=check)
    found = _image.ensure(engine, changes, wanted or WANTED, Built.of(built), LOGIN)
    return changes.actions, found


def test_one_that_is_here_is_not_pulled(engine: FakeEngine) -> None:
    image = engine.add_image(REFERENCE, "i1")
    assert ensure(engine) == ([], image)


def test_one_that_is_missing_is_pulled_with_the_login(engine: FakeEngine) -> None:
    engine.registry[REFERENCE] = FakeEngine().add_image(REFERENCE, "i1")
    assert ensure(engine, check=True) == ([f"pull {REFERENCE}"], None)
    actions, found = ensure(engine)
    assert (actions, found.id, engine.pulled_with) == ([f"pull {REFERENCE}"], "i1", LOGIN)


def test_what_was_built_is_pulled_by_digest_and_tagged(engine: FakeEngine) -> None:
    engine.add_image(REFERENCE, "old", digest="sha256:old")
    source = "r:1/hello@sha256:new"
    engine.registry[source] = FakeEngine().add_image(REFERENCE, "new", digest="sha256:new")
    actions, found = ensure(engine, digest="sha256:new")
    assert (actions, found.id) == ([f"pull {source}"], "new")


def test_what_was_built_and_is_here_by_digest_is_not_pulled(engine: FakeEngine) -> None:
    engine.add_image(REFERENCE, "i1", digest="sha256:1")
    assert ensure(engine, digest="sha256:1")[0] == []


def test_on_the_engine_that_built_it_the_id_tells(engine: FakeEngine) -> None:
    engine.add_image(REFERENCE, "i1")
    assert ensure(engine, LOCAL, image_id="i1")[0] == []
    with pytest.raises(ImageError, match="docker load"):
        ensure(engine, LOCAL, image_id="i2")


def test_a_registry_that_does_not_have_it_is_an_error(engine: FakeEngine) -> None:
    with pytest.raises(ImageError, match="no image"):
        ensure(engine)


@pytest.mark.parametrize("service", [None, "shop"])
def test_one_of_another_service_is_refused(engine: FakeEngine, service: str | None) -> None:
    engine.add_image(REFERENCE, "i1", service=service)
    with pytest.raises(ImageError, match="LABEL service=hello"):
        ensure(engine)


def test_in_check_mode_one_that_would_be_built_is_not_missing(engine: FakeEngine) -> None:
    assert ensure(engine, LOCAL, check=True) == ([], None)
