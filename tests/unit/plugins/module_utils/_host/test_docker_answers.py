# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is made of an engine's answers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._host import docker_answers

CONFIG = {"Env": ["A=1"], "Labels": {"service": "hello"}}


def settings(config: dict[str, Any] | None) -> str:
    return docker_answers.image({"Id": "i", "Config": config}, None).settings


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({**CONFIG, "Cmd": None, "User": "", "Volumes": {}, "Hostname": "0f1e", "Image": "sha256:0"}, True),
        ({**CONFIG, "Env": ["A=2"]}, False),
        ({**CONFIG, "Labels": {"service": "other"}}, False),
        ({**CONFIG, "Cmd": ["web"]}, False),
    ],
    ids=["what engines tell in other ways", "a variable", "a label", "the command"],
)
def test_images_with_the_same_settings_are_told_from_others(other: dict[str, Any], same: bool) -> None:
    assert (settings(CONFIG) == settings(other)) is same


def test_a_listing_says_nothing_of_settings() -> None:
    assert settings(None) == ""
