# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs of AWX: a checkout of the repository, the inventory that was read before the job, and ansible-runner."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hosts import Host, ask, lost
from project import REGISTRY_PASSWORD, STORIES, Project, Run, Started

CARAVAN = """\
plugin: caravan.kamal.deploy
config: config/deploy.yml
"""
TEMPLATE = "- ansible.builtin.import_playbook: caravan.kamal.deploy\n"
SECRET = "a sentence that nobody may read"


class Awx:
    """A user's repository as the project of job templates."""

    def __init__(self, repository: Path) -> None:
        self.room = STORIES / "awx"
        shutil.rmtree(self.room, ignore_errors=True)
        subprocess.run(["git", "clone", "-q", str(repository), str(self.room / "project")], check=True)

    def read_inventory(self) -> None:
        """The inventory source; what it says now is what every job is given."""
        found = self.room / "inventory.json"
        read = ("ansible-inventory", "-i", "caravan.yml", "--list", "--export", "--output", str(found))
        assert self._start(self.room / "project", *read).ok
        script = self.room / "inventory" / "hosts"
        script.parent.mkdir()
        script.write_text(f"#!/bin/sh\ncat {found}\n")
        script.chmod(0o755)

    def job(self, name: str, variables: Mapping[str, Any]) -> Run:
        (self.room / "env").mkdir(exist_ok=True)
        (self.room / "env" / "extravars").write_text(json.dumps(variables))
        return self._start(self.room, "ansible-runner", "run", str(self.room), "-p", "deploy.yml", "--ident", name)

    def events(self, name: str) -> list[dict[str, Any]]:
        """What AWX shows of a job, and keeps."""
        found = [json.loads(path.read_text()) for path in self._artifacts(name).glob("job_events/*.json")]
        return sorted(found, key=lambda event: event["counter"])

    def kept(self, name: str) -> str:
        files = [path for path in self._artifacts(name).rglob("*") if path.is_file()]
        return "\n".join(path.read_text(errors="replace") for path in files)

    def _artifacts(self, name: str) -> Path:
        return self.room / "artifacts" / name

    def _start(self, folder: Path, *command: str) -> Run:
        # The credential of the template brings it, and nothing else does.
        return Started(folder, command, ("LAB_REGISTRY_PASSWORD",)).wait()


@pytest.fixture(scope="module")
def awx(project: Project) -> Awx:
    project.configure({"env": {"secret": ["GREETING"]}})
    project.write("caravan.yml", CARAVAN)
    project.write("deploy.yml", TEMPLATE)
    (project.root / "ansible.cfg").unlink()
    project.commit("For AWX")
    awx = Awx(project.root)
    awx.read_inventory()
    return awx


def given(version: str, **more: Any) -> dict[str, Any]:
    """A template's variables; its playbook is the same for all."""
    secrets = {"REGISTRY_PASSWORD": REGISTRY_PASSWORD.read_text().strip(), "GREETING": SECRET}
    return {"kamal_version": version, "kamal_build_host": "web2", "kamal_secrets": secrets, **more}


def test_a_job_builds_on_a_host_and_deploys(awx: Awx, web1: Host, worker1: Host) -> None:
    job = awx.job("first", given("j1"))
    assert job.ok
    assert {ask().version for _number in range(4)} == {"j1"}
    assert web1.environment("hello-web-j1")["GREETING"] == SECRET
    assert "hello-workers-j1" in worker1.running
    shown = {event["event_data"].get("task") for event in awx.events("first")}
    assert shown >= {"Build the image once and push it", "Stage the version beside what runs"}


def test_a_second_one_changes_nothing(awx: Awx) -> None:
    job = awx.job("second", given("j1"))
    assert (job.ok, job.changed) == (True, dict.fromkeys(job.changed, 0))


def test_one_that_fails_says_where_and_why(awx: Awx, web1: Host) -> None:
    with lost("web2"):
        job = awx.job("third", given("j2", kamal_build_host="web1"))
    assert not job.ok
    assert web1.running == ["hello-web-j1"]
    assert {ask().version for _number in range(4)} == {"j1"}
    failed = [event["event_data"] for event in awx.events("third") if event["event"] == "runner_on_failed"]
    assert {data["host"] for data in failed} == {"web2"}
    assert "web2 cannot be reached: " in failed[0]["res"]["msg"]
    assert failed[-1]["res"]["msg"].startswith("The run stopped here")


@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_nothing_that_is_kept_has_a_secret(awx: Awx, name: str) -> None:
    kept = awx.kept(name)
    assert SECRET not in kept
    assert REGISTRY_PASSWORD.read_text().strip() not in kept
