# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every story finds: its project, made anew, and the three hosts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "shared"))
from hosts import Host, ask
from project import Project


@pytest.fixture(scope="module")
def project(request: pytest.FixtureRequest) -> Project:
    """The story's project, made anew for each file, which says in CONFIG what is different in config/deploy.yml."""
    name = Path(request.fspath).parents[1].name
    return Project(name, getattr(request.module, "CONFIG", {}))


@pytest.fixture(scope="module")
def live(project: Project) -> str:
    """A version of hello that serves: what the file before this one has left, or the first."""
    served = ask().version
    if not served:
        assert project.deploy("v1").ok
    return served or "v1"


@pytest.fixture(scope="session")
def web1() -> Host:
    return Host("web1")


@pytest.fixture(scope="session")
def web2() -> Host:
    return Host("web2")


@pytest.fixture(scope="session")
def worker1() -> Host:
    return Host("worker1")


@pytest.fixture(scope="session")
def hosts(web1: Host, web2: Host, worker1: Host) -> list[Host]:
    return [web1, web2, worker1]
