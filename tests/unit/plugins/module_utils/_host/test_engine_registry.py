# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the engine is asked of a registry, and by which names it knows an image there."""

from __future__ import annotations

from typing import Any

import docker.errors
import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError
from ansible_collections.caravan.kamal.plugins.module_utils._host.docker_engine import DockerEngine, Image


class Api:
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def pull(self, *_image: Any, **_how: Any) -> Any:
        raise self.answer

    login = pull

    def inspect_distribution(self, image: str, auth_config: Any = None) -> Any:
        self.asked.append((image, auth_config))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


LOGIN = {"username": "ada", "password": "hunter2"}


@pytest.mark.parametrize(
    "answer, digest",
    [({"Descriptor": {"digest": "sha256:1"}}, "sha256:1"), (docker.errors.NotFound("manifest unknown"), None)],
)
def test_the_digest_of_a_tag(answer: Any, digest: str | None) -> None:
    api = Api(answer)
    assert DockerEngine(api).registry_digest("r:1/app:v1", LOGIN) == digest
    assert api.asked == [("r:1/app:v1", LOGIN)]


@pytest.mark.parametrize(
    ("said", "silent"),
    [
        ("unauthorized: authentication required", False),
        ("Get https://r:1/v2/: x509: certificate signed by unknown authority", False),
        ("Get https://r:1/v2/: dial tcp 10.0.0.1:1: connect: connection refused", True),
        ("Get https://r:1/v2/: dial tcp: lookup r: no such host", True),
        ("Get https://r:1/v2/: net/http: request canceled (Client.Timeout exceeded while awaiting headers)", True),
        ("received unexpected HTTP status: 503 Service Unavailable", True),
        ("toomanyrequests: You have reached your pull rate limit", True),
        ("Get https://r:1/v2/: EOF", True),
    ],
)
def test_a_registry_that_does_not_answer_is_told_from_one_that_says_no(said: str, silent: bool) -> None:
    engine = DockerEngine(Api(docker.errors.APIError("500", explanation=said)))
    for ask in (
        lambda: engine.registry_digest("r:1/app:v1", None),
        lambda: engine.pull("r:1/app:v1", None),
        lambda: engine.log_in("r:1", LOGIN),
    ):
        with pytest.raises(EngineError) as caught:
            ask()
        assert said in caught.value.message
        assert caught.value.details.get("registry_silent", False) is silent
        assert ("does not answer this host" in caught.value.message) is silent


@pytest.mark.parametrize(
    "repository, digests, expected",
    [
        ("r:1/app", ["r:1/app@sha256:1", "other/app@sha256:2", "r:1/app@sha256:3"], ["sha256:1", "sha256:3"]),
        ("team/app", ["team/app@sha256:1"], ["sha256:1"]),
        ("docker.io/team/app", ["team/app@sha256:1"], ["sha256:1"]),
        ("docker.io/library/app", ["app@sha256:1"], ["sha256:1"]),
        ("team/app", ["mirror.example.com/team/app@sha256:1"], []),
    ],
)
def test_the_digests_of_an_image_in_a_repository(repository: str, digests: list[str], expected: list[str]) -> None:
    assert Image("sha256:i", [], digests, {}).digests_in(repository) == expected
