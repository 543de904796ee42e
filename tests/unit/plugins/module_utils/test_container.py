# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container as it should be, and whether one that is found is the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._body import (
    body,
    changed_secrets,
    complete,
    fingerprint,
    is_made_here,
    is_same,
    shown,
    shown_container,
)

WANTED = body("hello:v1", {"A": "1"}, {"service": "hello"}, "kamal", cmd=["hello", "web"])
SECRETS = {"TOKEN": "APP_TOKEN"}
VALUES = {"TOKEN": "s3cr3t"}


def found(made: dict[str, Any], image: str = "i1") -> dict[str, Any]:
    """As docker inspect would show it; the image adds variables of its own."""
    return {
        "Image": image,
        "Config": {"Image": made["Image"], "Labels": made["Labels"], "Env": [*made["Env"], "PATH=/bin"]},
    }


def test_a_container_made_from_it_is_the_same() -> None:
    assert is_same(found(complete(WANTED, SECRETS, VALUES, "web1")), WANTED, SECRETS, VALUES, "i1")


@pytest.mark.parametrize(
    ("wanted", "secrets", "values", "image"),
    [
        ({**WANTED, "Env": ["A=2"]}, SECRETS, VALUES, "i1"),
        ({**WANTED, "Cmd": ["hello"]}, SECRETS, VALUES, "i1"),
        (WANTED, {"TOKEN": "OTHER"}, VALUES, "i1"),
        (WANTED, {**SECRETS, "B": "B"}, {**VALUES, "B": ""}, "i1"),
        (WANTED, SECRETS, {"TOKEN": "rotated"}, "i1"),
        (WANTED, SECRETS, {"TOKEN": "s3cr3t "}, "i1"),
        (WANTED, SECRETS, VALUES, "i2"),
        (WANTED, SECRETS, VALUES, None),
    ],
    ids=["env", "command", "source", "one more secret", "value", "a space", "image", "image not here"],
)
def test_what_makes_it_another_one(wanted: Any, secrets: Any, values: Any, image: str | None) -> None:
    assert not is_same(found(complete(WANTED, SECRETS, VALUES)), wanted, secrets, values, image)


def test_one_that_kamal_made_is_another_one() -> None:
    kamals = found({"Image": "hello:v1", "Labels": {"service": "hello"}, "Env": ["A=1", "TOKEN=s3cr3t"]})
    assert not is_made_here(kamals)
    assert not is_same(kamals, WANTED, SECRETS, VALUES, "i1")
    assert shown_container(kamals) == {"Image": "hello:v1", "secrets": None}


def test_secret_values_are_in_the_environment_only() -> None:
    made = complete(WANTED, SECRETS, VALUES)
    assert "TOKEN=s3cr3t" in made["Env"]
    assert "s3cr3t" not in json.dumps([made["Labels"], shown(WANTED, SECRETS), shown_container(found(made))])
    assert "s3cr3t" not in json.dumps(WANTED)


def test_the_fingerprint_is_of_the_settings_and_not_of_their_order_or_values() -> None:
    turned = dict(reversed(list(WANTED.items())))
    assert fingerprint(turned, SECRETS) == fingerprint(WANTED, SECRETS)
    made = [complete(WANTED, SECRETS, {"TOKEN": value})["Labels"] for value in ("one", "two")]
    assert made[0] == made[1]


def test_what_is_shown_of_one_that_was_made_here_is_what_was_wanted() -> None:
    assert shown_container(found(complete(WANTED, SECRETS, VALUES))) == shown(WANTED, SECRETS)


def test_changed_secrets_are_named() -> None:
    container = found(complete(WANTED, SECRETS, {"TOKEN": "a=b"}))
    assert changed_secrets(container, {"TOKEN": "a=b"}) == []
    assert changed_secrets(container, {"TOKEN": "a", "NEW": ""}) == ["NEW", "TOKEN"]


def test_a_hostname_is_given_only_where_none_is_set() -> None:
    assert complete(WANTED, {}, {}, "web1.example.com")["Hostname"].startswith("web1.example.com-")
    assert complete({**WANTED, "Hostname": "mine"}, {}, {}, "web1")["Hostname"] == "mine"
    assert "Hostname" not in complete(WANTED, {}, {})


def test_completing_does_not_touch_the_plan() -> None:
    before = json.dumps(WANTED)
    complete(WANTED, SECRETS, VALUES, "web1")
    assert json.dumps(WANTED) == before


@pytest.mark.parametrize(
    ("logging", "expected"),
    [
        (None, {"Type": "", "Config": {"max-size": "10m"}}),
        ({}, {"Type": "", "Config": {"max-size": "10m"}}),
        ({"driver": "local"}, {"Type": "local", "Config": {}}),
        ({"options": {"max-file": 3}}, {"Type": "", "Config": {"max-file": "3"}}),
    ],
)
def test_logs_are_bounded_unless_somebody_says_otherwise(logging: Any, expected: Any) -> None:
    assert body("i", {}, {}, "kamal", logging=logging)["HostConfig"]["LogConfig"] == expected
