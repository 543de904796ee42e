# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The logins that the docker command of this machine has."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import SecretError
from ansible_collections.caravan.kamal.plugins.plugin_utils.secrets import docker_login

LOGIN = {"username": "ada", "password": "s3:cr3t"}
AUTH = {"auth": base64.b64encode(b"ada:s3:cr3t").decode()}
SERVER = "r.example.com:5000"
# It says which registry it was asked for on its standard input.
HELPER = """#!/bin/sh
read server
[ "$1" = get ] || exit 2
{}
"""
ANSWERS = """printf '{"ServerURL": "%s", "Username": "ada", "Secret": "s3:cr3t"}' "$server" """


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    return tmp_path


def logged_in(folder: Path, config: Any, server: str | None = SERVER, helper: str | None = None) -> Any:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    if helper is not None:
        program = folder / "bin" / "docker-credential-vault"
        program.write_text(HELPER.format(helper))
        program.chmod(0o755)
    environ = {"DOCKER_CONFIG": str(folder), "PATH": f"{folder / 'bin'}:/usr/bin:/bin"}
    return docker_login.login(server, environ, seconds=1)


@pytest.fixture(autouse=True)
def _path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("config", "server", "login"),
    [
        ({"auths": {SERVER: AUTH}}, SERVER, LOGIN),
        ({"auths": {f"https://{SERVER}/v2/": AUTH}}, SERVER, LOGIN),
        ({"auths": {"https://index.docker.io/v1/": AUTH}}, None, LOGIN),
        ({"auths": {"other.example.com": AUTH}}, SERVER, None),
        ({"auths": {SERVER: {}}}, SERVER, None),
        ({"auths": {SERVER: {"auth": "%%%"}}}, SERVER, None),
        ({"auths": {SERVER: {"identitytoken": "t"}}}, SERVER, None),
        ({}, SERVER, None),
    ],
)
def test_a_login_that_its_file_has(folder: Path, config: Any, server: str | None, login: Any) -> None:
    assert logged_in(folder, config, server) == login


def test_without_a_file_there_is_none(folder: Path) -> None:
    assert docker_login.login(SERVER, {"DOCKER_CONFIG": str(folder / "none")}) is None


@pytest.mark.parametrize(
    ("config", "server"),
    [
        ({"credHelpers": {SERVER: "vault"}}, SERVER),
        ({"credsStore": "vault", "auths": {SERVER: {}}}, SERVER),
        ({"credsStore": "other", "credHelpers": {SERVER: "vault"}}, SERVER),
        ({"credsStore": "vault"}, None),
    ],
)
def test_a_helper_is_asked(folder: Path, config: Any, server: str | None) -> None:
    assert logged_in(folder, config, server, ANSWERS) == LOGIN


def test_a_helper_is_told_the_registry_on_its_standard_input(folder: Path) -> None:
    names_it = """printf '{"Username": "%s", "Secret": "p"}' "$server" """
    assert logged_in(folder, {"credsStore": "vault"}, SERVER, names_it)["username"] == SERVER
    hub = logged_in(folder, {"credsStore": "vault"}, None, names_it)
    assert hub["username"] == "https://index.docker.io/v1/"


@pytest.mark.parametrize(
    "helper",
    [
        "echo credentials not found in native keychain; exit 1",
        """echo '{"Username": "<token>", "Secret": "t"}' """,
    ],
    ids=["knows none", "a token"],
)
def test_a_helper_without_a_password_is_none(folder: Path, helper: str) -> None:
    assert logged_in(folder, {"credsStore": "vault"}, SERVER, helper) is None


@pytest.mark.parametrize(
    ("config", "helper", "message"),
    [
        ("{", None, "config.json, where the docker command has its logins, cannot be read"),
        ("[1]", None, "cannot be read"),
        ({"credsStore": "vault"}, None, "from docker-credential-vault, which is not installed. Install it, or give"),
        (
            {"credsStore": "vault"},
            "exec sleep 5",
            "docker-credential-vault did not give a login to .* within 1 seconds",
        ),
        (
            {"credsStore": "vault"},
            "echo no session >&2; exit 1",
            "gave no login to r.example.com:5000: no session. Try it",
        ),
        ({"credsStore": "vault"}, "echo hello", "answered something else than a login to r.example.com:5000"),
    ],
)
def test_what_cannot_be_had_is_told(folder: Path, config: Any, helper: str | None, message: str) -> None:
    with pytest.raises(SecretError, match=message):
        logged_in(folder, config, SERVER, helper)
