# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The history file, and the form of an audit line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.history import audit_line, bad_entry, entry, read
from ansible_collections.caravan.kamal.plugins.module_utils._records import (
    Record,
    bad_versions,
    good_versions,
    live_container,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

LINE = entry("deploy", "v0", "web", "", "", "")


def test_what_was_written_is_read_again() -> None:
    (record,) = parse(entry("deploy", "v1", "web", "c1", "sha256:1", "sam@example.com"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record.at)
    assert record.to_data() == {
        "at": record.at,
        "command": "deploy",
        "version": "v1",
        "roles": ["web"],
        "container": "c1",
        "image_id": "sha256:1",
        "performer": "sam@example.com",
    }


@pytest.mark.parametrize(
    "broken", ['{"version": "v2", "ro', "", "null", "[]", '{"other": 1}', "nonsense", '{"version": 1}', "[" * 99999]
)
def test_a_broken_line_is_passed_over(broken: str) -> None:
    content = "\n".join([LINE.replace("v0", "v1"), broken, LINE.replace("v0", "v3")])
    assert [record.version for record in parse(content)] == ["v1", "v3"]


@given(st.binary())
def test_garbage_changes_no_record_around_it(garbage: bytes) -> None:
    lines = [entry("deploy", version, "web", "", "", "sam").encode() for version in ("v1", "v3")]
    content = b"\n".join([lines[0], garbage, lines[1]]).decode("utf-8", "replace")
    records = parse(content)
    assert (records[0], records[-1]) == tuple(parse(line.decode())[0] for line in lines)


@given(st.integers(min_value=0), st.integers(min_value=0x80, max_value=0xFF))
def test_a_spoilt_byte_makes_no_other_version(place: int, byte: int) -> None:
    content = bytearray(entry("deploy", "v1", "web", "", "", "sam").encode())
    content[place % len(content)] = byte
    assert parse(content.decode("utf-8", "replace")) == []


def test_an_audit_line_is_kamals() -> None:
    line = audit_line("sam@example.com", ("staging", "web"), "Booted app version v1")
    assert re.fullmatch(r"\[[^ \]]+Z\] \[sam@example.com\] \[staging\] \[web\] Booted app version v1", line)
    assert "[] " not in audit_line("sam", (None, ""), "Stopped app")
    assert audit_line("sam", (), "Back\r\n  at\nnine").endswith("] [sam] Back   at nine"), "it is one line"


def live(version: str, role: str, container: str) -> str:
    return entry("deploy", version, role, container, "", "sam")


def bad(version: str) -> str:
    return bad_entry(version, "it exited with code 1", "sam")


@pytest.mark.parametrize(
    ("data", "record"),
    [
        ({"version": "v1", "roles": "web", "container": 7, "more": {}}, Record("v1")),
        ({"version": "v1", "roles": ["web", 1, None], "bad": ""}, Record("v1", roles=("web",))),
        ({"version": None}, None),
        ([], None),
    ],
)
def test_what_is_none_of_a_fields_values_counts_as_left_out(data: Any, record: Record | None) -> None:
    assert Record.of(data) == record


OLD = '{"version": "v0", "roles": ["web", "worker"]}'


@pytest.mark.parametrize(
    ("lines", "good", "web"),
    [
        ([], [], None),
        ([OLD], ["v0"], None),
        ([live("v1", "web", "c1"), live("v1", "worker", "c2")], ["v1"], "c1"),
        ([live("v1", "web", "c1"), live("v2", "web", "c3")], ["v2", "v1"], "c3"),
        ([live("v1", "web", "c1"), live("v2", "web", "c3"), live("v1", "web", "c1")], ["v1", "v2"], "c1"),
        ([live("v1", "web", "c1"), live("v2", "web", "c3"), bad("v2")], ["v1"], None),
        ([live("v1", "web", "c1"), bad("v1"), live("v1", "web", "c4")], ["v1"], "c4"),
        ([live("v1", "web", "c1"), live("v2", "worker", "c3"), bad("v2")], ["v1"], "c1"),
    ],
    ids=["none", "of an earlier release", "roles", "next", "back", "bad", "bad and well again", "another role's"],
)
def test_what_is_on_record(lines: list[str], good: list[str], web: str | None) -> None:
    records = parse("\n".join(lines))
    assert (good_versions(records), live_container(records, "web")) == (good, web)
    assert bad_versions(records) == {record.version for record in records} - set(good)


def test_lines_that_are_no_records_are_told(home: Path) -> None:
    (home / "history").write_bytes(b"\xff\xfe\n\n" + LINE.encode() + b"\n{")
    notices: list[str] = []
    assert [record.version for record in read("history", notices.append)] == ["v0"]
    assert notices == [f"2 lines of {home}/history are no records of releases and were passed over"]
    assert read("nothing", notices.append) == []
