# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""References to images, apart and together."""

from __future__ import annotations

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._references import (
    is_latest,
    latest_tag,
    pinned,
    short,
    split,
    tag_of,
    tagged,
)


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("hello:v1", ("hello", "v1")),
        ("registry:5000/hello", ("registry:5000/hello", "latest")),
        ("registry:5000/hello:v1", ("registry:5000/hello", "v1")),
        ("hello@sha256:aa", ("hello", "sha256:aa")),
    ],
)
def test_a_reference_has_two_parts(reference: str, parts: tuple[str, str]) -> None:
    assert tuple(split(reference)) == parts
    assert tag_of(reference) == parts[1]


@pytest.mark.parametrize("repository", ["hello", "acme/hello", "r.example.com:5000/acme/hello"])
def test_what_is_put_together_comes_apart_again(repository: str) -> None:
    assert split(tagged(repository, "v1")) == (repository, "v1")
    assert split(pinned(repository, "sha256:1")) == (repository, "sha256:1")


@pytest.mark.parametrize(("destination", "tag"), [("", "latest"), ("staging", "latest-staging")])
def test_the_latest_tag_of_a_destination(destination: str, tag: str) -> None:
    assert latest_tag(destination) == tag
    assert is_latest(tag) and not is_latest("v1") and not is_latest("latestish")


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("docker.io/library/redis:7", "redis:7"),
        ("library/redis:7", "redis:7"),
        ("index.docker.io/team/hello", "team/hello"),
        ("team/hello", "team/hello"),
        ("r.example.com/library/redis", "r.example.com/library/redis"),
    ],
)
def test_docker_lists_what_is_on_docker_hub_by_its_short_name(name: str, listed: str) -> None:
    assert short(name) == listed
