# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What `config` shows of a configuration: what follows from it, and nothing that is secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import VersionError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import Settings, from_mapping, load
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.overview import overview

BASE = "service: hey\nservers: {jobs: [h2], web: [h1, h2]}\n"


def seen(tmp_path: Path, text: str, wanted: str | None = "3f2a9c1b6f0e") -> dict[str, Any]:
    path = tmp_path / "config" / "deploy.yml"
    path.parent.mkdir()
    path.write_text(BASE + text)
    return overview(load(str(path), None, Settings({})), wanted)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"version": "3f2a9c1b6f0e", "service_with_version": "hey@3f2a9c1"}),
        ("", {"repository": "hey", "absolute_image": "hey:3f2a9c1b6f0e"}),
        (
            "image: a/hey\nregistry: {server: r.example.com}",
            {"repository": "r.example.com/a/hey", "absolute_image": "r.example.com/a/hey:3f2a9c1b6f0e"},
        ),
        ("", {"hosts": ["h1", "h2"], "primary_host": "h1", "primary_role": "web"}),
        ("primary_role: jobs", {"hosts": ["h2", "h1"], "primary_host": "h2"}),
        ("", {"roles": {"jobs": ["h2"], "web": ["h1", "h2"]}}),
        ("accessories: {db: {image: x, role: jobs}}", {"accessories": {"db": ["h2"]}}),
        ("volumes: [data:/data, app/x:/x]", {"volumes": ["data:/data", "./app/x:/x"]}),
        ("", {"logging": {"driver": None, "options": {"max-size": "10m"}}}),
        (
            "logging: {driver: local, options: {max-file: 3}}",
            {"logging": {"driver": "local", "options": {"max-file": "3"}}},
        ),
        (
            "builder: {args: {A: hidden, B: }, arch: amd64}",
            {
                "builder": {
                    "context": "a clone of the last commit",
                    "dockerfile": "Dockerfile",
                    "target": None,
                    "arch": "amd64",
                    "args": {"A": "[REDACTED]", "B": "[REDACTED]"},
                }
            },
        ),
        (
            "proxy: {host: a}",
            {"config": {"service": "hey", "servers": {"jobs": ["h2"], "web": ["h1", "h2"]}, "proxy": {"host": "a"}}},
        ),
        (
            "aliases: {a: app exec}\noutput: {file: {path: l}}",
            {"notices": []},
        ),
    ],
)
def test_what_follows(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    whole = seen(tmp_path, text)
    assert {key: whole[key] for key in expected} == expected


def test_how_hosts_of_a_file_are_reached(tmp_path: Path) -> None:
    assert seen(tmp_path, "ssh: {user: app, port: 22}")["ssh"]["ansible_port"] == 22
    assert overview(from_mapping({"service": "a", "servers": ["h"]}, None, "/nowhere"), "v1")["ssh"] == {}


def test_without_a_version_the_rest_is_shown_and_why_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    whole = seen(tmp_path, "", None)
    assert (whole["version"], whole["absolute_image"], whole["hosts"]) == (None, "hey:VERSION", ["h1", "h2"])
    assert "-e kamal_version=VERSION" in whole["notices"][0]


@pytest.mark.parametrize("wanted", ["feature/x", "v1:2", "-v"])
def test_a_version_that_cannot_be_a_tag_is_an_error(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(VersionError, match="cannot be the tag of an image"):
        seen(tmp_path, "", wanted)


def test_accessories_alone(tmp_path: Path) -> None:
    config = from_mapping({"service": "a", "accessories": {"db": {"image": "x", "host": "h"}}}, None, str(tmp_path))
    whole = overview(config, "v1")
    assert (whole["hosts"], whole["primary_host"], whole["primary_role"]) == ([], None, None)
