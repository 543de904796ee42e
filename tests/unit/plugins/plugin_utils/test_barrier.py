# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When the roles that wait may start, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils import barrier

GATE = ["w1", "w2", "w3"]
PLAY = ["w1", "w2", "w3", "j1"]
LIVE, FAILED, SKIPPED = {"changed": True}, {"failed": True}, {"skipped": True}
ALL_LIVE = {"w1": LIVE, "w2": LIVE, "w3": LIVE, "j1": SKIPPED}

TABLE: dict[str, tuple[list[str], list[str], dict[str, Any], dict[str, Any], list[str]]] = {
    "all went live": (PLAY, PLAY, ALL_LIVE, {}, []),
    "the first batch went live": (PLAY, ["w1", "w2"], {"w1": LIVE, "w2": LIVE}, {}, []),
    "one failed in this batch and left the play": (["w1", "w3", "j1"], PLAY, {**ALL_LIVE, "w2": FAILED}, {}, ["w2"]),
    "one failed in an earlier batch": (["w2", "w3", "j1"], ["j1"], {**ALL_LIVE, "w1": FAILED}, {}, ["w1"]),
    "one was lost while staging": (["w1", "w3", "j1"], ["w1"], {"w1": LIVE}, {}, ["w2"]),
    "one was lost, after it went live in another run": (["w1", "w3", "j1"], ["w1"], ALL_LIVE, {}, ["w2"]),
    "one failed and its failure was ignored": (PLAY, ["w1", "w2"], {"w1": LIVE, "w2": FAILED}, {}, ["w2"]),
    "one was unreachable and that was ignored": (PLAY, ["w1"], {"w1": {"unreachable": True}}, {}, ["w1"]),
    "one was passed over": (PLAY, ["w1", "w2"], {"w1": LIVE, "w2": SKIPPED}, {}, ["w2"]),
    "a worker failed": (["w1", "w2", "w3"], ["w1", "w2", "w3"], {**ALL_LIVE, "j1": FAILED}, {}, []),
    "one has died since": (PLAY, ["w3"], ALL_LIVE, {"w1": LIVE, "w2": FAILED}, ["w2"]),
    "those of earlier batches still serve": (PLAY, ["w3"], ALL_LIVE, {"w1": LIVE, "w2": LIVE}, []),
}


@pytest.mark.parametrize(("remaining", "batch", "live", "serving", "expected"), TABLE.values(), ids=TABLE)
def test_who_keeps_it_closed(remaining: Any, batch: Any, live: Any, serving: Any, expected: Any) -> None:
    hosts = barrier.Hosts(PLAY, remaining, [host for host in batch if host in remaining])
    assert barrier.missing(GATE, hosts, live.get, serving) == expected


@pytest.mark.parametrize(
    ("registered", "expected"),
    [
        (None, {}),
        ({"skipped": True}, {}),
        ({"results": [{"item": "w1"}, {"item": "w2", "skipped": True}, {"item": "w3", "failed": True}]}, ["w1", "w3"]),
    ],
)
def test_results_of_a_loop_over_hosts(registered: Any, expected: Any) -> None:
    assert list(barrier.by_host(registered)) == list(expected)
