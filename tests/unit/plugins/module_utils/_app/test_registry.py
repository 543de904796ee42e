# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a registry says to a host, and the login that lies there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.registry import CONTAINER, Registry
from ansible_collections.caravan.kamal.plugins.module_utils._errors import FileError, ImageError, LoginError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from fakes import FakeEngine

SERVER = "r.example.com"
LOGIN = {"username": "ada", "password": "s3cr3t"}
DIGEST = "sha256:" + "a" * 64


def registry(engine: FakeEngine, server: str | None = SERVER, check: bool = False) -> Registry:
    return Registry(engine, Changes(check), server)


class Refusing(FakeEngine):
    def log_in(self, server: str, credentials: Any) -> None:
        raise LoginError("The registry refused to take the login of ada: unauthorized.")

    def registry_digest(self, reference: str, credentials: Any) -> str | None:
        raise LoginError(f"The registry refused to tell of {reference}: unauthorized.")


@pytest.mark.parametrize(("server", "asked"), [(SERVER, SERVER), (None, "https://index.docker.io/v1/")])
def test_the_login_is_tried(engine: FakeEngine, server: str | None, asked: str) -> None:
    registry(engine, server).check(LOGIN)
    assert engine.logged_in == asked


def test_one_that_is_not_taken_is_told_with_the_registry() -> None:
    with pytest.raises(LoginError, match=r"r.example.com: .*of ada: unauthorized. Check registry/server"):
        registry(Refusing()).check(LOGIN)


def test_without_a_login_none_is_tried(engine: FakeEngine) -> None:
    asking = registry(engine)
    asking.check(None)
    assert engine.logged_in is None and asking.changes.notices == [
        "There is no login for r.example.com, so none was tried"
    ]


def test_the_image_that_has_a_name_now_is_found_by_its_digest(engine: FakeEngine) -> None:
    engine.registry["ghcr.io/a/b:1.4"] = FakeEngine().add_image("ghcr.io/a/b:1.4", "i1", digest=DIGEST)
    answer = {"repository": "ghcr.io/a/b", "tag": "v7", "digest": DIGEST, "image_id": None, "pushed": True}
    assert registry(engine).found("ghcr.io/a/b:1.4", "v7", None) == answer
    assert registry(Refusing()).found(f"ghcr.io/a/b@{DIGEST}", "v7", None) == answer


@pytest.mark.parametrize(
    ("engine", "login", "message"),
    [
        (FakeEngine(), None, "The registry has no image ghcr.io/a/b:1.4. Check kamal_image"),
        (Refusing(), None, "unauthorized. Give registry/server, registry/username and registry/password, or log in on"),
        (Refusing(), LOGIN, "unauthorized. Check registry/username, registry/password and that this account"),
    ],
)
def test_an_image_that_cannot_be_had_is_told(engine: FakeEngine, login: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        registry(engine).found("ghcr.io/a/b:1.4", "v7", login)


def logins(home: Path, *servers: str, **more: Any) -> Path:
    (home / ".docker").mkdir()
    file = home / ".docker" / "config.json"
    file.write_text(json.dumps({"auths": {server: {"auth": "x"} for server in servers}, **more}))
    return file


@pytest.mark.parametrize(
    ("server", "key"), [(SERVER, SERVER), (SERVER, f"https://{SERVER}/v1/"), (None, "https://index.docker.io/v1/")]
)
def test_a_login_that_lies_here_goes_and_others_stay(
    engine: FakeEngine, home: Path, server: str | None, key: str
) -> None:
    file = logins(home, key, "other.example.com", proxies={"a": 1})
    looking = registry(engine, server, check=True)
    before = file.read_text()
    looking.log_out()
    assert file.read_text() == before
    leaving = registry(engine, server)
    leaving.log_out()
    assert leaving.changes.actions == looking.changes.actions == [f"log out of {server or 'Docker Hub'}"]
    assert json.loads(file.read_text()) == {"auths": {"other.example.com": {"auth": "x"}}, "proxies": {"a": 1}}
    again = registry(engine, server)
    again.log_out()
    assert again.changes.actions == []


def test_where_no_login_lies_there_is_nothing_to_do(engine: FakeEngine, home: Path) -> None:
    leaving = registry(engine)
    leaving.log_out()
    assert leaving.changes.actions == [] and not (home / ".docker").exists()


def test_logins_that_a_helper_keeps_are_told(engine: FakeEngine, home: Path) -> None:
    logins(home, credsStore="pass")
    leaving = registry(engine)
    leaving.log_out()
    assert leaving.changes.notices == ["Logins of this host are kept by a helper: docker logout r.example.com there"]


def test_a_file_that_is_none_is_told(engine: FakeEngine, home: Path) -> None:
    logins(home).write_text("{")
    with pytest.raises(FileError, match=r"config.json cannot be read as JSON"):
        registry(engine).log_out()


def test_the_registry_that_kamal_started_goes_with_its_volume(engine: FakeEngine) -> None:
    engine.add(CONTAINER, "registry:3")
    leaving = registry(engine)
    leaving.remove_container()
    assert leaving.changes.actions == [f"remove container {CONTAINER}"]
    assert CONTAINER not in engine.here and engine.lost_volumes == [CONTAINER]
    again = registry(engine)
    again.remove_container()
    assert again.changes.actions == []
