# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lock action with a shell of this machine for a host."""

from __future__ import annotations

import os
import subprocess
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.caravan.kamal.plugins.action import lock

PLAN = {
    "service": "app",
    "destination": "staging",
    "version": "v1",
    "performer": "ada@example.com",
    "lock": {"host": "web1", "directory": ".kamal/lock-app-staging", "ttl": 500},
}


class Host:
    def __init__(self, home):
        self.home = home
        self.asked = 0

    def execute(self, script, sudoable, executable):
        assert sudoable is False
        self.asked += 1
        done = subprocess.run(
            [executable, "-c", script],
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def run(host, check_mode=False, variables=None, **arguments):
    task = SimpleNamespace(
        args=arguments, delegate_to="web1", check_mode=check_mode, async_val=0, environment=None, action="lock"
    )
    action = lock.ActionModule.__new__(lock.ActionModule)
    action._task = task
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action._templar = SimpleNamespace(template=lambda value: value)
    action._low_level_execute_command = host.execute
    action._supports_async = False
    task_vars = {"inventory_hostname": "web2", "hostvars": {"localhost": {"kamal_plan": PLAN}}, **(variables or {})}
    result = action.run(None, task_vars)
    assert not result.get("changed")
    return result


def test_everything_comes_from_the_plan(host):
    result = run(host, state="held")
    assert (result["held"], result["status"], result["msg"]) == (True, "ours", "acquired")
    assert host.asked == 1
    refused = run(host, state="held", owner="other")
    assert refused["failed"]
    assert refused["holder"]["performer"] == "ada@example.com"
    assert refused["holder"]["version"] == "v1"
    assert "app-staging on web1" in refused["msg"]
    assert "-e state=free" in refused["msg"]
    assert (host.home / ".kamal" / "lock-app-staging").is_dir()


def test_the_owner_is_the_same_in_every_task_of_a_run(host):
    assert run(host, state="held")["owner"] == run(host, state="held")["owner"]
    assert run(host, state="held")["msg"] == "renewed"


def test_a_service_is_enough_without_a_plan(host):
    run(host, variables={"hostvars": {}}, state="held", service="shop", performer="Bob", message="moving house")
    holder = run(host, variables={"hostvars": {}}, state="status", service="shop", owner="x")["holder"]
    assert (holder["performer"], holder["message"], holder["version"]) == ("Bob", "moving house", None)


def test_without_a_plan_and_a_service_it_says_so(host):
    result = run(host, variables={"hostvars": {}}, state="held")
    assert result["failed"]
    assert "no plan" in result["msg"]


def test_release(host):
    assert run(host, state="free")["msg"] == "absent"
    run(host, state="held", owner="other")
    left = run(host, state="free")
    assert (left["held"], left["status"], len(left["notices"])) == (True, "held", 1)
    assert run(host, state="free", force=True)["held"] is False
    run(host, state="held")
    assert run(host, state="free")["msg"] == "released"


def test_an_expired_lock_is_taken_over_with_a_notice(host):
    run(host, state="held", owner="other", ttl=-1)
    result = run(host, state="held")
    assert result["status"] == "ours"
    assert "Took over" in result["notices"][0]


@pytest.mark.parametrize("other_run", [True, False])
def test_renew_fails_when_the_lock_was_lost(host, other_run):
    if other_run:
        run(host, state="held", owner="other")
    result = run(host, state="held", renew=True)
    assert result["failed"]
    assert "no longer holds" in result["msg"]


def test_renew_keeps_what_is_ours(host):
    run(host, state="held")
    assert run(host, state="held", renew=True)["msg"] == "renewed"


def test_waiting_ends_when_the_lock_is_released(host, monkeypatch):
    run(host, state="held", owner="other")
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: run(host, state="free", owner="other"))
    assert run(host, state="held", wait=60)["status"] == "ours"


def test_waiting_ends_at_the_deadline(host, monkeypatch):
    run(host, state="held", owner="other")
    now = [0.0]
    monkeypatch.setattr(lock.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert run(host, state="held", variables={"kamal_lock_wait": 12})["failed"]
    assert now[0] == 12


@pytest.mark.parametrize(
    "state, owner, said",
    [
        ("held", None, "would take"),
        ("held", "other", "could not take"),
        ("held", "expired", "would take"),
        ("free", None, "would leave"),
        ("free", "other", "would leave"),
    ],
)
def test_check_mode_takes_and_releases_nothing(host, state, owner, said):
    if owner:
        run(host, state="held", owner=owner, ttl=-1 if owner == "expired" else 60)
    before = {path: path.read_bytes() for path in host.home.rglob("*") if path.is_file()}
    result = run(host, check_mode=True, state=state)
    assert not result.get("failed")
    assert result["msg"].startswith(said)
    assert {path: path.read_bytes() for path in host.home.rglob("*") if path.is_file()} == before


def test_check_mode_would_release_what_is_ours(host):
    run(host, state="held")
    assert run(host, check_mode=True, state="free")["msg"].startswith("would release")


def test_status_of_a_lock_of_kamal(host):
    directory = host.home / ".kamal" / "lock-app-staging"
    directory.mkdir(parents=True)
    (directory / "details").write_text("TG9ja2VkIGJ5OiBCb2IgYXQgVApWZXJzaW9uOiB2MApNZXNzYWdlOiBoaQ==\n")
    result = run(host, state="status")
    assert (result["status"], result["holder"]["performer"], result["holder"]["expires"]) == ("foreign", "Bob", None)


def test_a_lost_connection_is_a_failure(host):
    def lose(*_arguments, **_options):
        raise AnsibleConnectionFailure("timed out")

    host.execute = lose
    result = run(host, state="held")
    assert result["failed"]
    assert "web1, which keeps the deploy lock of app-staging, cannot be reached: timed out" in result["msg"]


def test_a_host_that_keeps_no_lock_is_only_reached(host):
    assert run(host, state="reached")["msg"] == "web1 can be reached"
    assert not (host.home / ".kamal").exists()


def test_a_host_that_cannot_be_reached_is_named_with_a_remedy(host):
    def lose(*_arguments, **_options):
        raise AnsibleConnectionFailure("Connection refused.")

    host.execute = lose
    result = run(host, state="reached")
    assert result["failed"]
    assert result["msg"].startswith("web1 cannot be reached: Connection refused. See that")


@pytest.mark.parametrize(("check", "slept"), [(False, [3]), (True, [])])
def test_the_wait_between_batches_comes_before_the_renewal(host, monkeypatch, check, slept):
    run(host, state="held")
    waits = []
    monkeypatch.setattr(lock.time, "sleep", waits.append)
    run(host, check_mode=check, state="held", renew=True, delay=3)
    assert waits == slept
