# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The images of a service on a host, with its label or without."""

from __future__ import annotations

from ansible_collections.caravan.kamal.plugins.module_utils._app import images
from ansible_collections.caravan.kamal.plugins.module_utils._names import Names
from ansible_collections.caravan.kamal.plugins.module_utils._records import Record
from fakes import FakeEngine

NAMES = Names("hello")
RECORDS = [Record("1.24"), Record("1.25")]


def found(engine: FakeEngine) -> dict[str, list[str]]:
    own = engine.containers("service=hello")
    return {image.id: list(image.tags) for image in images.of(engine, NAMES, own, RECORDS)}


def with_nginx() -> FakeEngine:
    """What went live here, and what else lies in the same repository."""
    engine = FakeEngine()
    for tag, image_id in (("1.24", "i24"), ("1.25", "i25"), ("latest", "i25"), ("1.20", "i20"), ("mine", "i24")):
        engine.add_image(f"nginx:{tag}", image_id, service=None)
    engine.add_image("hello:v1", "i1")
    engine.add("hello-web-1.25", "nginx:1.25", service="hello", role="web", destination="")
    return engine


def test_of_one_that_was_built_elsewhere_only_the_versions_that_went_live_are_ours() -> None:
    assert found(with_nginx()) == {"i1": ["hello:v1"], "i24": ["nginx:1.24"], "i25": ["nginx:1.25", "nginx:latest"]}


def test_no_repository_is_looked_into_that_no_container_is_from() -> None:
    engine = with_nginx()
    engine.remove("hello-web-1.25")
    assert found(engine) == {"i1": ["hello:v1"]}
