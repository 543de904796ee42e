# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pushing as whom, and why a registry refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import docker.errors
import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError
from builds import LOGIN, REFERENCE, REPOSITORY, Api, run, wanted


def test_both_tags_are_pushed_with_the_login(project: Path, api: Api) -> None:
    run(api, wanted(project))
    assert api.pushes == [(REFERENCE, LOGIN), (f"{REPOSITORY}:latest", LOGIN)]


@pytest.mark.parametrize(
    "answer, part",
    [
        ("unauthorized: authentication required", "Check registry/username (ada)"),
        ("denied: requested access to the resource is denied", "Check registry/username (ada)"),
        ('Get "https://registry.example.com/v2/": dial tcp: lookup registry.example.com: no such host', "the network"),
        ("x509: certificate signed by unknown authority", "certs.d/registry.example.com/ca.crt"),
        ("blob upload unknown", "could not be pushed: "),
    ],
)
def test_a_refused_push_says_why(project: Path, api: Api, answer: str, part: str) -> None:
    for events in ([{"errorDetail": {"message": answer}, "error": answer}], docker.errors.APIError(answer)):
        api.push_events = events
        with pytest.raises(BuildError) as caught:
            run(api, wanted(project))
        assert part in caught.value.message
        assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("registry", [None, {"server": "registry.example.com", "username": None, "password": None}])
def test_a_push_without_an_account_says_where_to_set_it(project: Path, api: Api, registry: Any) -> None:
    api.push_events = [{"error": "no basic auth credentials"}]
    with pytest.raises(BuildError, match="Set registry/username"):
        run(api, wanted(project, registry=registry))
    assert api.pushes == [(REFERENCE, None)]
