# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names are Kamal's."""

from __future__ import annotations

import re

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils import _names
from ansible_collections.caravan.kamal.plugins.module_utils._names import Names

PLAIN, STAGING = Names("hello"), Names("hello", "staging")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (PLAIN.container("web", "abc"), "hello-web-abc"),
        (STAGING.container("web", "abc"), "hello-web-staging-abc"),
        (PLAIN.role("web"), "hello-web"),
        (STAGING.role("web"), "hello-web-staging"),
        (PLAIN.latest_tag, "latest"),
        (STAGING.latest_tag, "latest-staging"),
        (PLAIN.role_env_file("web"), ".kamal/apps/hello/env/roles/web.env"),
        (STAGING.role_env_file("web"), ".kamal/apps/hello-staging/env/roles/web.env"),
        (STAGING.accessory_env_file("db"), ".kamal/apps/hello-staging/env/accessories/db.env"),
        (PLAIN.audit_log, ".kamal/hello-audit.log"),
        (STAGING.audit_log, ".kamal/hello-staging-audit.log"),
        (STAGING.lock_directory, ".kamal/lock-hello-staging"),
        (STAGING.proxy_app_directory, ".kamal/proxy/apps-config/hello-staging"),
        (_names.accessory_service("hello", "db"), "hello-db"),
    ],
)
def test_names(made: str, expected: str) -> None:
    assert made == expected


def test_labels_have_an_empty_destination_where_there_is_none() -> None:
    assert PLAIN.labels("web") == {"service": "hello", "role": "web", "destination": ""}
    assert STAGING.labels("web")["destination"] == "staging"


@pytest.mark.parametrize(
    ("container", "names", "labels", "version"),
    [
        ("hello-web-abc", PLAIN, {}, "abc"),
        ("hello-web-staging-abc", STAGING, {}, "abc"),
        ("hello-web-abc_uncommitted_0f", PLAIN, {}, "abc_uncommitted_0f"),
        ("hello-web-abc_replaced_0f", PLAIN, {"caravan.version": "abc"}, "abc"),
        ("another", PLAIN, {}, "another"),
    ],
)
def test_the_version_of_a_container(container: str, names: Names, labels: dict[str, str], version: str) -> None:
    assert _names.version_of(container, names.role("web"), labels) == version


def test_names_for_a_while() -> None:
    assert re.fullmatch(r"c_replaced_[0-9a-f]{16}", _names.replaced("c"))
    assert re.fullmatch(r"c_failed_[0-9a-f]{16}", _names.failed("c"))
    assert _names.replaced("c") != _names.replaced("c")
    assert _names.is_staged(_names.staged("c")) and not _names.is_staged("c")


@pytest.mark.parametrize(
    ("host", "start"),
    [("web1", "web1"), ("a" * 60, "a" * 51), ("a" * 50 + ".example.com", "a" * 50)],
    ids=["short", "long", "no dot at the end"],
)
def test_the_hostname_fits(host: str, start: str) -> None:
    made = _names.container_hostname(host)
    assert re.fullmatch(re.escape(start) + r"-[0-9a-f]{12}", made) and len(made) <= 64


def test_versions_are_shortened_unless_they_carry_a_suffix() -> None:
    assert _names.short_version("0123456789abcdef") == "0123456"
    assert _names.short_version("0123456789abcdef_uncommitted_1") == "0123456789abcdef_uncommitted_1"
    assert _names.short_version("v1") == "v1"


@pytest.mark.parametrize(
    ("labels", "role", "owned"),
    [
        ({"service": "hello", "role": "web", "destination": ""}, None, True),
        ({"service": "hello", "role": "web"}, "web", True),
        ({"service": "hello", "role": "web"}, "worker", False),
        ({"service": "hello", "role": "web", "destination": "staging"}, None, False),
        ({"service": "hello", "destination": ""}, None, True),
        ({"service": "hello"}, None, False),
        ({"service": "hello-web"}, None, False),
        ({}, None, False),
    ],
)
def test_whose_a_container_is(labels: dict[str, str], role: str | None, owned: bool) -> None:
    assert _names.Names("hello").owns(labels, role) is owned
    assert _names.Names("hello", "").owns(labels, role) is owned
