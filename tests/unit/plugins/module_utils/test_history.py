# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which version a rollback goes to, and when it is refused."""

from __future__ import annotations

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils import _history
from ansible_collections.caravan.kamal.plugins.module_utils._errors import RollbackError


def records(*versions: str) -> list[dict[str, str]]:
    return [{"version": version} for version in versions]


@pytest.mark.parametrize(
    ("history", "running", "expected"),
    [
        (("v1", "v2"), "v2", "v1"),
        (("v1", "v2", "v2"), "v2", "v1"),
        (("v1", "v2", "v1"), "v1", "v2"),
        (("v1", "v2"), None, "v2"),
    ],
)
def test_the_previous_good_version_was_live_before_the_one_that_runs(history, running, expected):
    assert _history.previous_good({"web1": records(*history)}, {"web1": running}) == expected


@pytest.mark.parametrize(
    ("histories", "running"),
    [
        ({"web1": records("v1")}, {"web1": "v1"}),
        ({"web1": records("v1", "v2"), "web2": records("v2")}, {"web1": "v2", "web2": "v2"}),
        ({"web1": []}, {"web1": None}),
    ],
)
def test_hosts_must_agree_on_the_previous_version(histories, running):
    with pytest.raises(RollbackError, match=r"web1.*kamal_version=VERSION"):
        _history.previous_good(histories, running)


def test_a_version_must_be_on_every_host():
    containers = {"web1": records("v1", "v2"), "web2": records("v2"), "worker1": []}
    _history.require_everywhere("v2", {"web1": containers["web1"], "web2": containers["web2"]})
    with pytest.raises(RollbackError, match="no container of version v1 on web2, worker1"):
        _history.require_everywhere("v1", containers)
