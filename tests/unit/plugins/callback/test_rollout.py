# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person watching a rollout reads: who is to blame, failures once, what is waited for, a lock left behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.callback import rollout
from ansible_collections.caravan.kamal.plugins.plugin_utils.display import held_lock, results

OK = {"failures": 0, "unreachable": 0, "changed": 0}
CHANGED, FAILED = {**OK, "changed": 2}, {**OK, "failures": 1, "changed": 1}


class Callback(rollout.CallbackModule):
    """Without Ansible's settings, and with a list for a screen."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._display = SimpleNamespace(verbosity=0, display=self._show)
        self.v2_playbook_on_start(None)

    def _show(self, text: str, color: Any = None, stderr: bool = False) -> None:
        self.lines.append(text)

    def _handle_warnings(self, res: Any) -> None:
        pass

    def task(self, name: str, **more: Any) -> Any:
        task = SimpleNamespace(
            get_name=lambda: name, when=[], action="x", args={}, delay=5, check_mode=False, delegate_to=None
        )
        vars(task).update(more)
        self.v2_playbook_on_task_start(task, False)
        return task

    def _get_item_label(self, result: Any) -> str:
        return str(result["item"])

    def host_label(self, result: Any) -> str:
        return str(result.label)


@pytest.fixture
def callback(monkeypatch: pytest.MonkeyPatch) -> Callback:
    monkeypatch.setattr(rollout, "at_the_end", lambda _function: None)
    monkeypatch.setattr(rollout.LiveLine, "start", lambda self: None)
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    return Callback()


def answer(task: Any, host: str, label: str = "", /, **result: Any) -> Any:
    return SimpleNamespace(
        task=task, host=SimpleNamespace(get_name=lambda: host), label=label or host, result=dict(result)
    )


def test_a_stage_is_shown_once_and_only_where_there_is_something_to_do(callback: Callback) -> None:
    for stage, tasks in (("Plan", ["Plan it"]), ("Build", []), ("Roll out", ["Stage"]), ("Roll out", ["Switch"])):
        callback.v2_playbook_on_play_start(SimpleNamespace(get_name=lambda stage=stage: stage))
        if not tasks:
            callback.v2_playbook_on_no_hosts_matched()
        for task in tasks:
            callback.task(task)
    assert callback.lines == ["\nPlan", "  Plan it", "\nRoll out", "  Stage", "  Switch"]


def test_one_failure_on_many_hosts_is_told_once(callback: Callback) -> None:
    task = callback.task("app : Read the configuration")
    for host in ("web1", "web2"):
        callback.v2_runner_on_failed(answer(task, host, msg="There is none."))
    assert callback.lines == [
        "  Read the configuration",
        "    web1          FAILED: There is none.",
        "    web2          FAILED: for the same reason",
    ]


@pytest.mark.parametrize("name", rollout.STOPS)
def test_that_a_run_stops_is_told_once_and_of_no_host(callback: Callback, name: str) -> None:
    callback.v2_runner_on_failed(answer(callback.task("Bring it live"), "web2", msg="It exited."))
    task = callback.task(f"app : {name}")
    for host in ("web1", "web2"):
        callback.v2_runner_on_failed(answer(task, host, msg="It stopped."))
    assert callback.lines[2:] == [f"  {name}", "    It stopped."]
    counts = {"web1": FAILED, "web2": FAILED}
    callback.v2_playbook_on_stats(SimpleNamespace(processed=counts, summarize=counts.get))
    assert callback.lines[-1].startswith("\nfailed: web2; changed: web1 (")


@pytest.mark.parametrize(
    ("builder", "web2", "line"),
    [
        ("builder", 1, "changed: web2, builder; unchanged: web1"),
        ("web2", 0, "changed: web2; unchanged: web1"),
        ("localhost", 1, "changed: web2; unchanged: web1"),
        ("localhost", 0, "changed: the controller; unchanged: web1, web2"),
    ],
)
def test_what_a_delegated_task_changed_is_counted_where_it_was_done(
    callback: Callback, builder: str, web2: int, line: str
) -> None:
    built = {"changed": True, "actions": ["build hello:v2"]}
    callback.v2_runner_on_ok(answer(callback.task("Build"), "web1", f"web1 -> {builder}", **built))
    counts = {"web1": {**OK, "changed": 1}, "web2": {**OK, "changed": web2}}
    callback.v2_playbook_on_stats(SimpleNamespace(processed=counts, summarize=counts.get))
    assert callback.lines[-1].startswith(f"\n{line} (")


@pytest.mark.parametrize(
    ("check", "line"), [(False, "unchanged: web1"), (True, "changed: web1")], ids=["a preview", "a dry run"]
)
def test_what_was_only_looked_at_is_no_change(
    callback: Callback, monkeypatch: pytest.MonkeyPatch, check: bool, line: str
) -> None:
    monkeypatch.setattr(results.context, "CLIARGS", {"check": check})
    would = {"changed": True, "actions": ["remove hello"]}
    callback.v2_runner_on_ok(answer(callback.task("Look", check_mode=True), "web1", **would))
    counts = {"web1": {**OK, "changed": 1}}
    callback.v2_playbook_on_stats(SimpleNamespace(processed=counts, summarize=counts.get))
    assert callback.lines[-1].startswith(f"\n{line} (")


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("web1", "web1"),
        ("web1 -> web2", "web2"),
        ("web1 -> localhost", "the controller"),
        ("web1 -> {{ nowhere }}", "web1"),
    ],
)
def test_a_failure_is_told_of_the_host_it_happened_on(callback: Callback, label: str, shown: str) -> None:
    callback.v2_runner_on_failed(answer(callback.task("Try"), "web1", label, msg="No."))
    assert callback.lines[1] == f"    {shown:<12}  FAILED: No."


@pytest.mark.parametrize(
    "wrapping",
    [
        "",
        "Task failed: ",
        "The lookup plugin 'caravan.kamal.ssh' failed: ",
        "Task failed: Finalization of task args for 'caravan.kamal.x' failed: Error while resolving value for 'name': ",
    ],
)
def test_a_failure_begins_with_what_went_wrong(callback: Callback, wrapping: str) -> None:
    callback.v2_runner_on_failed(answer(callback.task("Try"), "web1", msg=f"{wrapping}Say which."))
    callback.v2_runner_on_unreachable(answer(callback.task("Look"), "web1", msg=f"{wrapping}No route."))
    assert callback.lines[1] == "    web1          FAILED: Say which."
    assert callback.lines[3] == "    web1          cannot be reached: No route."


def test_a_failure_that_ansible_tells_twice_is_told_once(callback: Callback) -> None:
    """As ansible-core before 2.19 tells that of a lookup."""
    wrapping = "An unhandled exception occurred while running the lookup plugin 'caravan.kamal.ssh'. "
    wrapping += "Error was a <class 'ansible.errors.AnsibleError'>, original message: "
    callback.v2_runner_on_failed(answer(callback.task("Try"), "web1", msg=f"{wrapping}No key.. No key."))
    assert callback.lines[1] == "    web1          FAILED: No key."


def test_a_look_at_other_hosts_blames_those_that_failed_it(callback: Callback) -> None:
    """A loop over hosts, delegated to each of them, runs for a host that has nothing to do with it."""
    task = callback.task("Look again")
    items = [answer(task, "web3", f"web3 -> {host}", item=host, ansible_loop_var="item") for host in ("web1", "web2")]
    items[1].result.update(failed=True, msg="It died.", actions=["mark v2 as bad"])
    callback.v2_runner_item_on_ok(items[0])
    callback.v2_runner_item_on_failed(items[1])
    results = [item.result for item in items]
    callback.v2_runner_on_failed(answer(task, "web3", msg="One or more items failed", results=results))
    callback.v2_runner_on_failed(answer(callback.task("Say where it stopped"), "web3", msg="It stopped."))
    assert callback.lines[1:3] == ["    web2          mark v2 as bad", "    web2          FAILED: It died."]
    counts = {"web1": OK, "web2": OK, "web3": FAILED}
    callback.v2_playbook_on_stats(SimpleNamespace(processed=counts, summarize=counts.get))
    assert callback.lines[-1].startswith("\nfailed: web2; changed: web3; unchanged: web1 (")


# Answers of modules that are not ours, with fields that ours have too.
OTHERS: list[dict[str, Any]] = [
    {"actions": [{"what": "container", "id": "hello-db-1", "status": "Creating"}]},
    {"actions": "create it", "results": 2},
    {"actions": True, "missing": True},
    {"missing": ["/srv/a"]},
]


@pytest.mark.parametrize("others", OTHERS, ids=str)
def test_what_the_fields_of_other_modules_mean_is_not_guessed(callback: Callback, others: dict[str, Any]) -> None:
    task = callback.task("Start the database", action="community.docker.docker_compose_v2")
    callback.v2_runner_on_ok(answer(task, "web1", changed=True, **others))
    callback.v2_runner_item_on_failed(answer(task, "web1", item="db", msg="no such image", **others))
    callback.task("Start it again", action="community.docker.docker_compose_v2")
    callback.v2_runner_on_failed(answer(task, "web1", msg="port is already allocated", **others))
    assert callback.lines == [
        "  Start the database",
        "    web1          changed",
        "    web1          FAILED: db: no such image",
        "  Start it again",
        "    web1          FAILED: port is already allocated",
    ]
    callback.v2_playbook_on_stats(SimpleNamespace(processed={"web1": FAILED}, summarize=lambda host: FAILED))
    assert callback.lines[-1].startswith("\nfailed: web1 (")


def test_a_closed_barrier_blames_the_hosts_that_it_waits_for(callback: Callback) -> None:
    task = callback.task("Look whether it is open", action="caravan.kamal.barrier")
    callback.v2_runner_on_failed(answer(task, "jobs1", msg="It is closed.", missing=["web1"]))
    counts = {"jobs1": FAILED, "web1": OK}
    callback.v2_playbook_on_stats(SimpleNamespace(processed=counts, summarize=counts.get))
    assert callback.lines[-1].startswith("\nfailed: web1; changed: jobs1 (")


def test_items_that_are_no_hosts_are_named(callback: Callback) -> None:
    task = callback.task("Boot them")
    callback.v2_runner_item_on_ok(answer(task, "web1", item="db", ansible_loop_var="item", actions=["start it"]))
    callback.v2_runner_item_on_failed(answer(task, "web1", item="kv", ansible_loop_var="item", msg="No."))
    assert callback.lines[1:] == ["    web1          db: start it", "    web1          FAILED: kv: No."]


def test_what_is_waited_for_is_said_once(callback: Callback) -> None:
    task = callback.task("Take the deploy lock")
    for attempt, reason in enumerate(("Bob has it", "Bob has it", "Eve has it"), 1):
        callback.v2_runner_retry(answer(task, "web1", msg=reason, retries=13, attempts=attempt))
    assert callback.lines[1:] == [
        "    web1          waits for up to 60 s: Bob has it",
        "    web1          waits for up to 50 s: Eve has it",
    ]


LOCKS: dict[str, tuple[list[tuple[str, dict[str, Any]]], bool]] = {
    "none": ([], False),
    "held": ([("held", {"held": True, "status": "ours"})], True),
    "held and released": ([("held", {"held": True, "status": "ours"}), ("free", {"held": False})], False),
    "only looked at": ([("status", {"held": True, "status": "ours"})], False),
}


@pytest.mark.parametrize(("steps", "told"), LOCKS.values(), ids=LOCKS)
def test_a_run_that_is_cut_off_tells_of_its_lock(callback: Callback, steps: Any, told: bool) -> None:
    for state, result in steps:
        task = callback.task("Lock", action=held_lock.LOCK, args={"state": state})
        callback.v2_runner_on_ok(answer(task, "web1", name="hello", host="web1", **result))
    callback._tell_of_the_lock()
    assert ("still holds the deploy lock of hello on web1" in " ".join(callback.lines)) is told


def test_a_run_that_ends_tells_nothing_of_its_lock(callback: Callback) -> None:
    task = callback.task("Lock", action=held_lock.LOCK, args={"state": "held"})
    callback.v2_runner_on_ok(answer(task, "web1", held=True, status="ours"))
    callback.v2_playbook_on_stats(SimpleNamespace(processed={"web1": 1}, summarize=lambda host: OK))
    callback._tell_of_the_lock()
    assert len(callback.lines) == 2
    assert callback.lines[1].startswith("\nunchanged: web1 (")


def test_the_end_says_the_versions_before_and_after(callback: Callback) -> None:
    task = callback.task("Bring it live", action=rollout.RELEASE)
    callback.v2_runner_on_ok(answer(task, "web1", changed=True, version="v2", before={"web": "v1"}))
    callback.v2_playbook_on_stats(SimpleNamespace(processed={"web1": CHANGED}, summarize=lambda host: CHANGED))
    assert callback.lines[-2] == "web: v1 -> v2 on web1"
    assert callback.lines[-1].startswith("\nchanged: web1 (")


def test_a_stage_that_took_its_time_says_so(callback: Callback) -> None:
    callback._stage, callback._stage_began = "Build", rollout.time.monotonic() - 12.34
    callback._shown_stage = "Build"
    callback._stage = "Roll out"
    callback.task("Stage it")
    assert callback.lines == ["  (12.3 s)", "\nRoll out", "  Stage it"]


def test_in_a_ci_stages_are_groups_and_a_failure_is_seen_outside(
    callback: Callback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    callback.v2_playbook_on_start(None)
    callback._stage = "Roll out"
    callback.v2_runner_on_failed(answer(callback.task("Stage it"), "web1", msg="It is full."))
    callback.v2_playbook_on_stats(SimpleNamespace(processed={"web1": FAILED}, summarize=lambda host: FAILED))
    assert [line for line in callback.lines if "::" in line] == [
        "::group::Roll out",
        "::error title=Caravan::web1: It is full.",
        "::endgroup::",
    ]


def test_what_hosts_are_at(callback: Callback) -> None:
    task = callback.task("app : Bring it live", action=rollout.RELEASE)
    for host in ("web1", "web2", "worker1"):
        callback.v2_runner_on_start(SimpleNamespace(get_name=lambda host=host: host), task)
    callback.v2_runner_on_skipped(answer(task, "worker1", skip_reason=rollout.NO_ROLE_YET))
    callback.v2_runner_on_ok(answer(task, "web1", version="v1"))
    assert callback._live.text() == "  … web2: Bring it live, 0 s; worker1: waiting for the barrier"
    callback.v2_runner_on_failed(answer(task, "web2", msg="No."))
    callback.v2_runner_on_ok(answer(task, "web1", version="v2", before={"web": "v1"}))
    task = callback.task("Bring the others live", action=rollout.RELEASE)
    callback.v2_runner_on_start(SimpleNamespace(get_name=lambda: "web1"), task)
    callback.v2_runner_on_skipped(answer(task, "web1", skip_reason=rollout.NO_ROLE_YET))
    assert callback._live.text() == "  … "


@pytest.mark.parametrize(
    ("delegate_to", "text"),
    [(None, "web1: Do it"), ("localhost", "the controller: Do it"), ("{{ kamal_build_host }}", "Do it")],
)
def test_where_a_task_that_was_begun_runs(callback: Callback, delegate_to: str | None, text: str) -> None:
    task = callback.task("Do it", delegate_to=delegate_to)
    callback.v2_runner_on_start(SimpleNamespace(get_name=lambda: "web1"), task)
    assert callback._live.text() == f"  … {text}, 0 s"


def test_what_a_loop_changed_on_other_hosts_is_counted_there(callback: Callback) -> None:
    """A load balancer on two hosts, one of which had nothing to do."""
    task = callback.task("Put the hosts of this batch into the load balancer")
    for host, changed in (("lb1", False), ("lb2", True)):
        callback.v2_runner_item_on_ok(answer(task, "web1", f"web1 -> {host}", item=host, changed=changed))
    callback.v2_runner_on_ok(answer(task, "web1", changed=True, results=[{"ansible_loop_var": "item"}]))
    counts = {"web1": {**OK, "changed": 1}, "web2": OK}
    callback.v2_playbook_on_stats(SimpleNamespace(processed=counts, summarize=counts.get))
    assert callback.lines[-1].startswith("\nchanged: lb2; unchanged: web1, web2 (")
