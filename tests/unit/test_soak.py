# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of a soak that only reckon: a count that is wrong there would hide what it is made to find."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "soak"))

import schedule
import table
from leftovers import Container, Snapshot, left_over
from schedule import Interruption, Step
from tally import Event, FailedRequest, Tally, failed_requests

HOSTS = ["web1", "web2", "worker1"]


def first(number: int, seed: int = 1) -> list[Step]:
    return list(islice(schedule.steps(seed, HOSTS), number))


def test_a_seed_says_every_step() -> None:
    assert first(50) == first(50)
    assert first(50) != first(50, seed=2)


def test_ten_steps_hold_every_act_and_every_interruption() -> None:
    for begin in (0, 10, 90):
        ten = first(100)[begin : begin + 10]
        assert Counter(step.act for step in ten) == Counter(schedule.ACTS)
        assert {step.interruption.how for step in ten if step.interruption} == set(schedule.INTERRUPTIONS)


def test_only_what_makes_a_version_has_a_limit_of_its_own() -> None:
    limits = {act: {step.limit for step in first(500) if step.act == act} for act in schedule.ACTS}
    assert {act for act, drawn in limits.items() if drawn == {None}} == {schedule.ROLLBACK, schedule.AGAIN}
    assert limits[schedule.DEPLOY] == set(schedule.LIMITS)


def test_interruptions_come_at_any_moment_and_on_any_host() -> None:
    drawn = [step.interruption for step in first(500) if step.interruption]
    assert {interruption.host for interruption in drawn} == set(HOSTS)
    assert {interruption.at_once for interruption in drawn} == {True, False}
    assert min(interruption.moment for interruption in drawn) < 0.1
    assert 0.9 < max(interruption.moment for interruption in drawn) <= 1


EVENTS = [Event(10, 20, "deploy v1"), Event(30, 50, "deploy v2"), Event(35, 40, "rollback")]


@pytest.mark.parametrize(
    ("moment", "during"),
    [
        (5, "no run"),
        (10, "during deploy v1"),
        (25, "after deploy v1"),
        (36, "during deploy v2 and rollback"),
        (60, "after deploy v2"),
    ],
)
def test_a_failed_request_names_what_ran(moment: float, during: str) -> None:
    assert failed_requests([(moment, "502")], EVENTS) == [FailedRequest(moment, "502", during)]


def container(version: str, state: str = "exited", role: str = "web", suffix: str = "") -> Container:
    return Container(f"hello-{role}-{version}{suffix}", state, version, role)


PROXY = Container("kamal-proxy", "running", "", "")
BEFORE = Snapshot(
    containers=(PROXY, container("v2", "running"), container("v1")),
    images=frozenset({"base:1", "hello:v1", "hello:v2", "hello:latest"}),
    networks=frozenset({"bridge", "kamal"}),
    volumes=frozenset({"proxy"}),
    files=frozenset({"/root", "/root/.kamal"}),
    modules=0,
    memory=100,
    disk=50,
)
AFTER = replace(
    BEFORE,
    containers=(PROXY, container("v9", "running"), *(container(f"v{number}") for number in (4, 5, 6, 7, 8))),
    images=frozenset({"base:1", "hello:v4", "hello:v8", "hello:v9", "hello:latest"}),
)


@pytest.mark.parametrize(
    ("after", "things"),
    [
        (AFTER, []),
        (
            replace(AFTER, containers=(*AFTER.containers, container("v3"))),
            ["6 old containers of role web: " + ", ".join(f"hello-web-v{number}" for number in (4, 5, 6, 7, 8, 3))],
        ),
        (
            replace(AFTER, containers=(*AFTER.containers, container("v9", "created", suffix="_staged"))),
            ["container hello-web-v9_staged (created)"],
        ),
        (
            replace(AFTER, containers=(*AFTER.containers, container("v8", "running"))),
            ["2 running containers of role web instead of 1", "container hello-web-v8 (running)"],
        ),
        (replace(AFTER, containers=(PROXY,)), ["0 running containers of role web instead of 1", "image hello:v4"]),
        (
            replace(AFTER, images=AFTER.images | {"hello:v3", "<none>:<none>"}),
            ["image <none>:<none>", "image hello:v3"],
        ),
        (replace(AFTER, networks=frozenset({"bridge"})), ["network kamal"]),
        (replace(AFTER, volumes=BEFORE.volumes | {"anonymous"}), ["volume anonymous"]),
        (replace(AFTER, files=BEFORE.files | {"/root/.kamal/lock-hello"}), ["file /root/.kamal/lock-hello"]),
        (replace(AFTER, modules=2), ["2 processes of modules"]),
    ],
)
def test_what_is_left_over(after: Snapshot, things: list[str]) -> None:
    assert left_over(BEFORE, after, "v9", retain=3)[: max(len(things), 1)] == things


@pytest.mark.parametrize(("killed", "number"), [(0, 4), (1, 4), (2, 0)])
def test_each_killed_module_may_leave_the_folder_that_ansible_made_for_it(killed: int, number: int) -> None:
    folders = [f"/tmp/ansible_caravan.kamal.release_payload_{name}" for name in ("sgd57shk", "x1de_6xg")]
    files = {*folders, *(f"{folder}/ansible_caravan.kamal.release_payload.zip" for folder in folders)}
    assert len(left_over(BEFORE, replace(AFTER, files=BEFORE.files | files), "v9", 3, killed)) == number


def test_what_is_kept_for_the_modules_of_the_next_run_may_stay() -> None:
    folder = "/root/.cache/caravan.kamal"
    files = {"/root/.cache", folder, f"{folder}/f2859a2645912e00.cpython-311", f"{folder}/0a1b.socket"}
    assert left_over(BEFORE, replace(AFTER, files=BEFORE.files | files), "v9", 3) == []
    assert left_over(BEFORE, replace(AFTER, files=BEFORE.files | {f"{folder}/a/b"}), "v9", 3) != []


@pytest.mark.parametrize(("version", "number"), [("v8", 0), ("v3", 2)])
def test_the_environment_of_a_version_may_stay_as_long_as_its_container(version: str, number: int) -> None:
    folder = f"/root/.kamal/apps/hello/env/releases/{version}"
    files = {folder, f"{folder}/roles/web.env"}
    assert len(left_over(BEFORE, replace(AFTER, files=BEFORE.files | files), "v9", 3)) == number


def tally() -> Tally:
    result = Tally(recovered=1)
    result.count(Step(1, "deploy", None, None), False)
    result.count(Step(2, "deploy", 1, Interruption("SIGKILL", 0.5, "web1", True)), True)
    result.count(Step(3, "rollback", None, Interruption("SIGTERM", 0.9, "web1", True)), False)
    return result


LOAD = {"requests": 201_000, "failed": 0, "seconds": 1340.0, "max_gap": 0.21, "slowest": 0.5}
SUMMARY = table.Summary(
    seed=7,
    date="2026-11-25",
    tally=tally(),
    load=LOAD,
    failed=[],
    left_over={"web1": []},
    before={"web1": BEFORE},
    after={"web1": AFTER},
    engine=(90, 95),
)


def test_the_table_counts_what_happened() -> None:
    text = table.render(SUMMARY)
    for line in (
        "| seed, day | 7, 2026-11-25 |",
        "| releases | 3: 2 × deploy, 1 × rollback |",
        "| interrupted | 1: 1 × SIGKILL |",
        "| put right by the next run | 1 of 1 |",
        "| requests | 201,000 in 22 min |",
        "| failed requests | 0 |",
        "| left over on hosts | 0 |",
        "| web1 | 3 to 7 | 4 to 5 | 100 to 100 | 50 to 50 |",
    ):
        assert line in text
    assert "What did not hold" not in text
    assert SUMMARY.passed


def with_a_problem() -> Tally:
    result = tally()
    result.problem(Step(4, "redeploy", None, None), "web1 is locked\n    much that was printed")
    return result


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        (
            replace(SUMMARY, load={**LOAD, "failed": 1}, failed=[FailedRequest(3.21, "502", "during deploy v4")]),
            "- failed request, 3.2 s: 502 (during deploy v4)",
        ),
        (replace(SUMMARY, tally=with_a_problem()), "- step 4 (redeploy): web1 is locked"),
        (replace(SUMMARY, left_over={"web1": ["file /x"]}), "- left over on web1: file /x"),
    ],
)
def test_what_did_not_hold_is_told_and_fails_the_soak(summary: table.Summary, line: str) -> None:
    assert line in table.render(summary)
    assert not summary.passed


def test_the_table_has_its_place_on_the_page() -> None:
    page = f"# Page\n\n{table.BEGIN}\nold\n{table.END}\n\nAfter\n"
    assert table.replaced(page, "new\n") == f"# Page\n\n{table.BEGIN}\n\nnew\n\n{table.END}\n\nAfter\n"
    with pytest.raises(ValueError, match="soak: begin"):
        table.replaced("# Page\n", "new\n")
