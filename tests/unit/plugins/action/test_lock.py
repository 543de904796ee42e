# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lock action with a shell of this machine for a host."""

from __future__ import annotations

import os
import re
import subprocess
import time
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.caravan.kamal.plugins.action import lock
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import from_mapping
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.planner import plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.run import Run

CONFIG = {"service": "app", "servers": ["web1", "web2"]}
PLAN = to_data(plan(from_mapping(CONFIG, "staging", "/"), Run(version="v1", hosts=["web1", "web2"])))


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
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(lock.git, "person", lambda root: "Ada")
    return Host(tmp_path)


def run(host, check_mode=False, variables=None, strategy="linear", **arguments):
    task = SimpleNamespace(
        args=arguments, delegate_to="web1", check_mode=check_mode, async_val=0, environment=None, action="lock"
    )
    task.get_play = lambda: SimpleNamespace(strategy=strategy)
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
    assert refused["holder"]["performer"] == "Ada"
    assert refused["holder"]["version"] == "v1"
    assert "app-staging on web1" in refused["msg"]
    assert "caravan.kamal.lock.release" in refused["msg"]
    assert (host.home / ".kamal" / "lock-app-staging").is_dir()


def test_the_owner_is_the_same_in_every_task_of_a_run(host):
    assert run(host, state="held")["owner"] == run(host, state="held")["owner"]
    assert run(host, state="held")["msg"] == "renewed"


def test_it_is_to_be_renewed_when_half_of_the_lease_is_over(host):
    before = time.time()
    for renew in (False, True):
        renew_by = run(host, state="held", ttl=600, renew=renew)["renew_by"]
        assert before + 300 <= renew_by <= time.time() + 300
    run(host, state="free")
    assert run(host, state="held", ttl=0)["renew_by"] is None


def test_a_service_is_enough_without_a_plan(host):
    run(host, variables={"hostvars": {}}, state="held", service="shop", performer="Bob", message="moving house")
    holder = run(host, variables={"hostvars": {}}, state="status", service="shop", owner="x")["holder"]
    assert (holder["performer"], holder["message"], holder["version"]) == ("Bob", "moving house", None)


def test_without_a_plan_and_a_service_it_says_so(host):
    result = run(host, variables={"hostvars": {}}, state="held")
    assert result["failed"]
    assert "no plan" in result["msg"]


@pytest.mark.parametrize("renew", [False, True])
def test_a_play_whose_hosts_do_not_wait_for_each_other_gets_no_lock(host, renew):
    """The first host at its end would release it, while others still change."""
    result = run(host, strategy="free", state="held", renew=renew)
    assert (result["failed"], host.asked) == (True, 0)
    assert "strategy: with free hosts do not wait for each other" in result["msg"]
    assert run(host, strategy="free", state="status")["status"] == "free"


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


@pytest.mark.parametrize(
    ("holder", "may_end", "words"),
    [
        ({"owner": "other"}, True, "kamal_lock_wait=SECONDS"),
        ({"owner": "other", "ttl": 0, "message": "moving house"}, False, "It was taken by hand and lasts"),
    ],
)
def test_only_a_run_is_worth_waiting_for(host, holder, may_end, words):
    run(host, state="held", **holder)
    refused = run(host, state="held")
    assert (refused["failed"], refused["may_end"]) == (True, may_end)
    assert words in refused["msg"]


def test_a_lock_without_a_time_lasts_until_it_is_released_by_force(host):
    run(host, state="held", owner="other", ttl=60)
    run(host, state="held", ttl=0, force=True)
    directory = host.home / ".kamal" / "lock-app-staging"
    assert [path.name for path in directory.iterdir()] == ["details"]
    assert run(host, state="held")["status"] == "foreign"
    assert run(host, state="free")["held"]
    assert run(host, state="free", force=True)["msg"] == "released"


def test_the_lock_of_a_run_that_has_ended_is_taken_over_at_once(host, monkeypatch):
    run(host, state="held", owner="other")
    monkeypatch.setattr(lock.owner, "has_ended", lambda owner: owner == "other")
    result = run(host, state="held")
    assert result["status"] == "ours"
    assert "has ended without releasing it" in result["notices"][0]


def test_the_lock_is_shown_as_kamal_shows_it(host):
    assert run(host, state="status")["text"] == "There is no deploy lock"
    run(host, state="held", ttl=0, message="moving house")
    first, *others = run(host, state="status")["text"].splitlines()
    assert re.fullmatch(r"Locked by: Ada at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first)
    assert others == ["Version: v1", "Message: moving house"]


def test_a_plan_for_looking_has_no_version_and_the_commit_is_recorded(host, monkeypatch):
    monkeypatch.setattr(lock.git, "is_repository", lambda root: True)
    monkeypatch.setattr(lock.git, "head", lambda root: "3f2a9c1")
    variables = {"hostvars": {"localhost": {"kamal_plan": {**PLAN, "version": "none"}}}}
    run(host, variables=variables, state="held")
    assert run(host, state="status", owner="x")["holder"]["version"] == "3f2a9c1"


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
    assert "-e kamal_lock_host=HOST, one of web2" in result["msg"]


@pytest.mark.parametrize("lost", [True, False])
def test_a_renewal_that_fails_tells_whether_the_lock_may_still_be_ours(host, lost):
    """A run whose lock another one has by now has nothing to release."""

    def lose(*_arguments, **_options):
        raise AnsibleConnectionFailure("timed out")

    run(host, state="held")
    if lost:
        host.execute = lose
    else:
        run(host, state="held", owner="other", force=True)
    result = run(host, state="held", renew=True)
    assert (result["failed"], result.get("was_held", False)) == (True, lost)


def test_a_renewal_of_what_was_released_tells_that_nobody_else_has_it(host):
    assert run(host, state="held", renew=True)["was_held"] is True
    assert run(host, strategy="free", state="held", renew=True)["was_held"] is True


def test_a_lock_that_could_not_be_taken_was_not_held(host, monkeypatch):
    run(host, state="held", owner="other")
    assert "was_held" not in run(host, state="held")
    assert "was_held" not in run(host, strategy="free", state="held")


def test_the_holder_makes_itself_known_to_hosts(host):
    taken = run(host, state="held")["run"]
    assert (taken["by"], taken["version"], taken["owner"]) == ("Ada", "v1", run(host, state="held")["owner"])
    assert run(host, state="held", renew=True)["run"] == taken
    run(host, state="free")
    assert run(host, state="held", check_mode=True).get("run") is None


@pytest.mark.parametrize(
    ("min_age", "ttl", "age", "is_asked"),
    [(5, 900, 4, False), (5, 900, 6, True), (5, 20, 1, False), (5, 20, 3, True), (0, 900, 0, True), (5, 900, -1, True)],
)
def test_a_lease_is_not_renewed_that_is_new(host, min_age, ttl, age, is_asked):
    taken = run(host, state="held", ttl=ttl)
    taken["at"] -= age
    result = run(host, state="held", renew=True, ttl=ttl, min_age=min_age, variables={"_kamal_lock": taken})
    assert host.asked == 1 + is_asked
    assert (result["msg"], result["run"]) == ("renewed" if is_asked else "acquired", taken["run"])
    assert (result["at"] == taken["at"]) != is_asked


@pytest.mark.parametrize("other", [{"owner": "other"}, {"host": "web2"}, {"name": "app"}, {"at": None}])
def test_what_was_answered_for_another_lock_says_nothing_of_this_one(host, other):
    taken = run(host, state="held")
    run(host, state="held", renew=True, min_age=5, variables={"_kamal_lock": {**taken, **other}})
    assert host.asked == 2
