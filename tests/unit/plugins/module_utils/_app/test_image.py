# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image present under its tag, and the right one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import image as _image
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError, ImageError, LoginError
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


def pushed(engine: FakeEngine, image_id: str, digest: str) -> None:
    """The registry has this image under the tag."""
    engine.registry[REFERENCE] = FakeEngine().add_image(REFERENCE, image_id, digest=digest)


def test_one_that_is_here_and_the_same_in_the_registry_is_not_pulled(engine: FakeEngine) -> None:
    image = engine.add_image(REFERENCE, "i1", digest="sha256:1")
    pushed(engine, "i1", "sha256:1")
    assert ensure(engine) == ([], image)


@pytest.mark.parametrize("digest", ["sha256:1", None])
def test_a_tag_that_was_pushed_anew_is_pulled(engine: FakeEngine, digest: str | None) -> None:
    engine.add_image(REFERENCE, "i1", digest=digest)
    pushed(engine, "i2", "sha256:2")
    assert ensure(engine, check=True) == ([f"pull {REFERENCE}"], None)
    actions, image = ensure(engine)
    assert (actions, image.id) == ([f"pull {REFERENCE}"], "i2")


def test_one_that_the_registry_does_not_have_is_used_with_a_notice(engine: FakeEngine) -> None:
    image = engine.add_image(REFERENCE, "i1", digest="sha256:1")
    changes = Changes(check_mode=False)
    assert _image.ensure(engine, changes, WANTED, Built(), LOGIN) == image
    assert changes.notices == [f"The registry has no {REFERENCE}; the image on this host is used"]


class Shut(FakeEngine):
    def registry_digest(self, reference: str, credentials: object) -> str | None:
        raise LoginError("no basic auth credentials.")


@pytest.mark.parametrize(("login", "trusting"), [(LOGIN, True), (None, False)], ids=["a wrong login", "no reason to"])
def test_a_registry_that_lets_nobody_in_stops_it(login: Any, trusting: bool) -> None:
    engine = Shut()
    engine.add_image(REFERENCE, "i1")
    with pytest.raises(ImageError, match="does not say whether it was pushed anew since: no basic auth"):
        _image.ensure(engine, Changes(check_mode=False), WANTED, Built(), login, trusting=trusting)


def test_without_a_login_a_host_that_has_its_secrets_itself_uses_the_image_that_it_has() -> None:
    engine, changes = Shut(), Changes(check_mode=False)
    image = engine.add_image(REFERENCE, "i1")
    assert _image.ensure(engine, changes, WANTED, Built(), None, trusting=True) == image
    assert "Without a login the registry does not say" in changes.notices[0]


class Unanswered(FakeEngine):
    def registry_digest(self, reference: str, credentials: object) -> str | None:
        raise EngineError("connection refused.")


def test_a_registry_that_does_not_answer_is_an_error_unless_nothing_has_to_be_asked() -> None:
    engine = Unanswered()
    image = engine.add_image(REFERENCE, "i1", digest="sha256:1")
    with pytest.raises(ImageError, match="pushed anew since: connection refused. Check registry/server"):
        ensure(engine)
    assert ensure(engine, LOCAL) == ensure(engine, digest="sha256:1") == ensure(engine, image_id="i1") == ([], image)
    assert _image.ensure(engine, Changes(False), WANTED, Built(), LOGIN, kept=[]) == image


def test_a_rollback_pulls_what_is_missing(engine: FakeEngine) -> None:
    pushed(engine, "i1", "sha256:1")
    image = _image.ensure(engine, Changes(False), WANTED, Built(), LOGIN, kept=[])
    assert image is not None and image.id == "i1"


@pytest.mark.parametrize(
    "wanted, push, actions", [(WANTED, True, [f"pull {REFERENCE}"]), (WANTED, False, []), (LOCAL, False, [])]
)
def test_in_check_mode_one_that_would_be_built_anew_is_not_the_one_that_is_here(
    engine: FakeEngine, wanted: ImageShare, push: bool, actions: list[str]
) -> None:
    engine.add_image(REFERENCE, "i1", digest="sha256:1")
    changes = Changes(check_mode=True)
    built = Built.of({"image_id": None, "digest": None, "pushed": push, "tag": "v1"})
    assert _image.ensure(engine, changes, wanted, built, LOGIN) is None
    assert changes.actions == actions


def test_names_on_docker_hub_are_compared_in_their_short_form(engine: FakeEngine) -> None:
    wanted = replace(WANTED, repository="docker.io/team/hello")
    image = engine.add_image("docker.io/team/hello:v1", "i1", digest="sha256:1")
    assert (image.tags, image.digests) == (["team/hello:v1"], ["team/hello@sha256:1"])
    assert ensure(engine, wanted, digest="sha256:1") == ([], image)


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


def test_one_that_was_built_elsewhere_needs_no_label_and_is_told_by_its_digest(engine: FakeEngine) -> None:
    wanted, source = replace(WANTED, service=None), "r:1/hello@sha256:1"
    engine.registry[source] = FakeEngine().add_image(REFERENCE, "i1", service=None, digest="sha256:1")
    assert ensure(engine, wanted, digest="sha256:1")[0] == [f"pull {source}"]
    assert engine.pictures[REFERENCE].id == "i1"


def test_what_was_live_here_is_gone_back_to_though_it_was_built_elsewhere(engine: FakeEngine) -> None:
    there = engine.add_image("ghcr.io/a/b:v1", "i1", service=None)
    assert _image.ensure(engine, Changes(False), WANTED, Built(), LOGIN, kept=["i1"]) == there


HUB = replace(WANTED, repository="team/hello")
MIRRORS = ["http://mirror:5000", "http://second:5000"]


def through_mirrors(engine: FakeEngine, wanted: ImageShare, mirrors: list[str], check: bool = False) -> Any:
    engine.mirror_addresses = mirrors
    reference = f"{wanted.repository}:v1"
    engine.registry[reference] = FakeEngine().add_image(reference, "i1")
    return _image.ensure(engine, Changes(check), wanted, Built(), LOGIN, refuse_mirror=True)


def test_what_would_come_through_a_mirror_is_not_pulled_before_one_host_is_chosen(engine: FakeEngine) -> None:
    with pytest.raises(
        ImageError, match="team/hello:v1 would be pulled through the mirror http://mirror:5000"
    ) as caught:
        through_mirrors(engine, HUB, MIRRORS)
    assert (caught.value.details, engine.calls) == ({"mirror": MIRRORS[0]}, [])


@pytest.mark.parametrize(
    ("wanted", "mirrors", "check"),
    [(HUB, [], False), (WANTED, MIRRORS, False), (HUB, MIRRORS, True)],
    ids=["no mirror", "not of Docker Hub", "in check mode"],
)
def test_everything_else_is_pulled_at_once(
    engine: FakeEngine, wanted: ImageShare, mirrors: list[str], check: bool
) -> None:
    found = through_mirrors(engine, wanted, mirrors, check)
    assert (found is None) is check


def test_no_mirror_is_asked_for_where_the_image_is_here(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    image = engine.add_image("team/hello:v1", "i1")
    monkeypatch.setattr(engine, "mirrors", lambda: pytest.fail("asked"))
    assert _image.ensure(engine, Changes(False), HUB, Built.of({"image_id": "i1"}), LOGIN, refuse_mirror=True) == image
