# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Another look at what went live: what has happened to it since against what is told and what is written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._errors import HealthError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("no_waiting")

Share = Callable[..., HostShare]
# The fake starts every container a quarter of a second after this moment.
MIDNIGHT = 1767225600.0


def host_of(engine: FakeEngine, share: HostShare, check: bool = False) -> Release:
    return Release(engine, Changes(check_mode=check), share, {"TOKEN": "s3cr3t-value"})


@pytest.fixture
def live(engine: FakeEngine, home: Path, share_of: Share) -> HostShare:
    """v1 and then v2 went live on the host; the share of v2."""
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    for version in ("v1", "v2"):
        engine.add_image(f"hello:{version}", f"image of {version}")
        share = share_of(version)
        host_of(engine, share).stage(None)
        host_of(engine, share).live(None)
    return share


def look(engine: FakeEngine, share: HostShare, since: float | None = None, check: bool = False) -> list[str]:
    release = host_of(engine, share, check)
    release.proven(["web"], since)
    return release.changes.actions


def records(home: Path, share: HostShare) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / share.history_file).read_text().splitlines()]


def exits(engine: FakeEngine) -> None:
    engine.container("hello-web-v2")["State"].update(Status="exited", Running=False, ExitCode=7)


def crashes_and_returns(engine: FakeEngine) -> None:
    engine.container("hello-web-v2")["RestartCount"] = 1


def test_what_still_serves_is_well(engine: FakeEngine, live: HostShare) -> None:
    assert look(engine, live) == []
    assert look(engine, live, since=MIDNIGHT + 1) == []


@pytest.mark.parametrize("harm", [exits, crashes_and_returns])
def test_a_version_that_died_is_told_and_marked(
    harm: Callable[[FakeEngine], None], engine: FakeEngine, live: HostShare, home: Path
) -> None:
    harm(engine)
    with pytest.raises(HealthError, match="hello-web-v2 went live on host1 and did not stay so"):
        look(engine, live)
    assert records(home, live)[-1]["version"] == "v2"
    assert "hello-web-v2" in records(home, live)[-1]["bad"]
    with pytest.raises(HealthError):
        look(engine, live)
    assert len([record for record in records(home, live) if "bad" in record]) == 1


def test_check_mode_writes_nothing_down(engine: FakeEngine, live: HostShare, home: Path) -> None:
    exits(engine)
    before = records(home, live)
    with pytest.raises(HealthError):
        look(engine, live, check=True)
    assert records(home, live) == before


@pytest.mark.parametrize(("since", "is_well"), [(MIDNIGHT, False), (MIDNIGHT + 1, True)])
def test_a_restart_long_before_the_run_is_forgiven(
    since: float, is_well: bool, engine: FakeEngine, live: HostShare, home: Path
) -> None:
    crashes_and_returns(engine)
    if is_well:
        assert look(engine, live, since=since) == []
    else:
        with pytest.raises(HealthError):
            look(engine, live, since=since)
    assert bool([record for record in records(home, live) if "bad" in record]) is not is_well


def test_a_route_that_leads_elsewhere_is_told_and_marks_nothing(
    engine: FakeEngine, live: HostShare, home: Path
) -> None:
    engine.routes["hello-web"]["active_targets"] = ["somewhere:80"]
    with pytest.raises(HealthError, match="kamal-proxy no longer sends it the requests"):
        look(engine, live)
    assert not [record for record in records(home, live) if "bad" in record]


def test_another_version_that_came_in_between_is_told(engine: FakeEngine, live: HostShare, share_of: Share) -> None:
    engine.add_image("hello:v3", "image of v3")
    host_of(engine, share_of("v3")).stage(None)
    host_of(engine, share_of("v3")).live(None)
    with pytest.raises(HealthError, match="another run has come in between"):
        look(engine, live)
