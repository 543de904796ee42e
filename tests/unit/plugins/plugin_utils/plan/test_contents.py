# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files and folders of an accessory on the controller: where they lie, and what is in them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import Settings
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import mounts
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.contents import Contents

SECTION = {"image": "a", "host": "host1", "env": {"clear": {"SIZE": "small"}, "secret": ["PASSWORD:DB"]}}


@pytest.mark.parametrize(
    ("mode", "octal"),
    [
        ("640", "0640"),
        ("0640", "0640"),
        ("1777", "1777"),
        ("u=rw,g=r,o=", "0640"),
        ("a=r", "0444"),
        ("g-rx,o-rx", "0700"),
        ("+w", "0777"),
        ("u=rwxs", "4755"),
        ("o+t", "1755"),
        ("go=rX", "0755"),
    ],
)
def test_a_mode_is_read_as_chmod_reads_it(mode: str, octal: str) -> None:
    entries = {"files": [{"local": "a", "remote": "/b", "mode": mode}]}
    assert mounts.files(entries, "db", False)[0].mode == octal


def test_a_folder_is_below_one_named_like_the_container_or_absolute() -> None:
    entries = {"directories": ["data:/a", "./some//data/:/b:ro", "/srv/data:/c"]}
    assert [each.path for each in mounts.directories(entries, "app-db")] == [
        "app-db/data",
        "app-db/some/data",
        "/srv/data",
    ]
    assert mounts.directory_binds(entries, "app-db") == [
        "./app-db/data:/a",
        "./app-db/some/data:/b:ro",
        "/srv/data:/c",
    ]


@pytest.mark.parametrize(
    ("local", "has_secrets", "template", "secret"),
    [
        ("my.cnf", True, None, False),
        ("my.cnf.erb", True, "erb", True),
        ("my.cnf.erb", False, "erb", False),
        ("my.cnf.j2", False, "jinja", True),
    ],
)
def test_what_renders_a_file_and_whether_it_may_hold_a_secret(
    local: str, has_secrets: bool, template: str | None, secret: bool
) -> None:
    (file,) = mounts.files({"files": [f"{local}:/etc/my.cnf"]}, "app-db", has_secrets)
    assert (file.path, file.template, file.secret) == ("app-db/etc/my.cnf", template, secret)


def jinja(path: str, env: Any) -> str:
    return f"{Path(path).name} {env['SIZE']} {env['PASSWORD']}"


@pytest.mark.parametrize(
    ("name", "content", "rendered"),
    [
        ("raw", b"\xff\x00<%= x %>", b"\xff\x00<%= x %>"),
        ("a.erb", b'<%= ENV["SIZE"] %> <%= ENV["PASSWORD"] %> <%= ENV["USER"] %>\n', b"small s3cr3t ada\n"),
        ("a.erb", b'#!<%= ENV["SIZE"] %>\n#include <%= ENV["USER"] %>\n', b"#!small\n#include ada\n"),
        ("a.j2", b"", b"a.j2 small s3cr3t"),
    ],
)
def test_what_is_in_a_file(plan_of: Any, tmp_path: Path, name: str, content: bytes, rendered: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    accessory = plan_of("v1", accessories={"db": {**SECTION, "files": [f"{name}:/a"]}}).accessories["db"]
    contents = Contents(str(tmp_path), Settings({"USER": "ada"}), {"DB": "s3cr3t"})
    given = json.loads(contents.handed_over(accessory, jinja))
    assert {path: base64.b64decode(text) for path, text in given.items()} == {"hello-db/a": rendered}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none", None, "accessories/db/files: {0}/none: there is no such file"),
        ("folder", "folder", "accessories/db/files: {0}/folder: Is a directory"),
        ("a.erb", b"\xff", "accessories/db/files: {0}/a.erb: a template has to be UTF-8 text"),
        ("a.erb", b"one\n<%= backtick(1) %>", "a.erb:2: this Ruby is more than is read here"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(plan_of: Any, tmp_path: Path, name: str, content: Any, message: str) -> None:
    if content == "folder":
        (tmp_path / name).mkdir()
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    accessory = plan_of("v1", accessories={"db": {**SECTION, "files": [f"{name}:/a"]}}).accessories["db"]
    contents = Contents(str(tmp_path), Settings({}), {"DB": "s3cr3t"})
    assert message.format(tmp_path) in str(contents.problems(accessory)[0])
    with pytest.raises(ConfigError):
        contents.handed_over(accessory, jinja)
