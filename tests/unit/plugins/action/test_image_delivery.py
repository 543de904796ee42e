# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a delivery: what each is handed of those before it, and when there is nothing to do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.caravan.kamal.plugins.action import image_delivery
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.plugin_utils import delivery
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan

IMAGE = {"reference": "hello:v1", "image_id": "sha256:i", "created": "then", "layers": ["a", "b", "c"], "settings": "s"}
LACKS = {"here": False, "layers": ["b"], "arrived": {}, "folder": "/home/ada/layers", "free": 10**9}
HAS = {**LACKS, "here": True, "layers": []}
FILES = [{"layer": "b", "name": "1", "size": 3}, {"layer": "c", "name": "2", "size": 3}]
ANSWERED = {"changed": False, "actions": [], "failed": False}


class Run:
    """One run on two hosts; `module` answers in the place of the module, `visits` what was sent."""

    def __init__(self, plan: Plan, tmp_path: Path) -> None:
        self.plan, self.folder = to_data(plan), tmp_path
        self.module = Mock(return_value={})
        self.given: dict[str, Any] = {}
        self.visits: list[bytes] = []
        self.transport, self.check = "ssh", False

    def act(
        self, state: str, lacking: tuple[Any, Any] = (LACKS, LACKS), until: float | None = None, **known: Any
    ) -> dict[str, Any]:
        hosts = dict(zip(("host1", "host2"), ({"_kamal_lacking": each} for each in lacking), strict=True))
        variables = {
            "hostvars": {"localhost": {"kamal_plan": self.plan}, **hosts},
            "ansible_play_hosts": list(hosts),
            "inventory_hostname": "host1",
            "_kamal_listed": {**IMAGE, **ANSWERED},
            **hosts["host1"],
            **known,
        }
        action = image_delivery.ActionModule.__new__(image_delivery.ActionModule)
        action._task = SimpleNamespace(
            args={"state": state, "send_until": until},
            async_val=0,
            check_mode=self.check,
            diff=False,
            environment=None,
            delegate_to=None,
        )
        action._connection = SimpleNamespace(
            _shell=SimpleNamespace(tmpdir=None), transport=self.transport, has_pipelining=True, fetch_file=self._fetch
        )
        action._templar = Templar(loader=DataLoader(), variables=variables)
        action._supports_check_mode = action._supports_async = True
        action._execute_module = self._execute
        action._low_level_execute_command = self._visit
        return dict(action.run(task_vars=variables))

    def _execute(self, _module: str, given: dict[str, Any], **_more: Any) -> dict[str, Any]:
        self.given = given
        return dict(self.module())

    def _visit(self, script: str, in_data: bytes = b"", **_options: Any) -> dict[str, Any]:
        self.visits.append(in_data or script.encode())
        return {"rc": 0, "stdout": "", "stderr": ""}

    def _fetch(self, _source: str, target: str) -> None:
        Path(target).write_bytes(b"abc")


@pytest.fixture
def run(plan_of: Callable[..., Plan], tmp_path: Path) -> Run:
    (tmp_path / "1").write_bytes(b"abc")
    return Run(plan_of("v1"), tmp_path)


def test_an_image_is_listed_by_the_name_that_the_plan_has(run: Run) -> None:
    assert not run.act("listed").get("failed")
    assert run.given["reference"] == "hello:v1"


def test_one_that_would_be_built_first_is_taken_to_every_host(run: Run) -> None:
    run.check = True
    built = {"repository": "hello", "tag": "v1", "image_id": None, "digest": None}
    listed = run.act("listed", _kamal_built=built)
    assert (listed["pending"], run.given) == (True, {})
    assert run.act("lacking", _kamal_listed=listed)["skipped"]
    loaded = run.act("loaded", _kamal_listed=listed)
    assert loaded["actions"] == ["load hello:v1, with the layers that are lacking"]
    assert (loaded["repository"], loaded["tag"], loaded["image_id"]) == ("hello", "v1", None)


@pytest.mark.parametrize("state", ["lacking", "saved", "loaded"])
def test_where_nobody_has_an_image_there_is_nothing_to_take(run: Run, state: str) -> None:
    assert run.act(state, _kamal_listed={"reference": "hello:v1", "image_id": None})["skipped"]


@pytest.mark.parametrize(
    ("lacking", "check", "layers"),
    [
        ((LACKS, {**LACKS, "layers": ["b", "c"]}), False, ["b", "c"]),
        ((LACKS, HAS), False, ["b"]),
        (({**LACKS, "layers": []}, HAS), False, []),
        ((HAS, HAS), False, None),
        ((LACKS, LACKS), True, None),
    ],
    ids=["two lack some", "one does", "only the configuration", "none does", "in check mode"],
)
def test_what_any_host_lacks_is_saved_once(run: Run, lacking: Any, check: bool, layers: list[str] | None) -> None:
    run.check, run.transport = check, "local"
    result = run.act("saved", lacking)
    assert bool(result.get("skipped")) is (layers is None)
    assert run.given.get("layers") == layers


def test_a_host_is_sent_what_it_lacks_and_no_more(run: Run) -> None:
    saved = {"folder": str(run.folder), "config": "{}", "files": FILES, **ANSWERED}
    run.act("loaded", _kamal_saved=saved)
    assert run.visits == [b"abc"]
    assert run.given["sent"] == 3
    assert run.given["saved"] == {"config": "{}", "files": FILES}
    assert run.given["image"] == IMAGE
    assert run.given["folder"] == ".kamal/apps/hello/layers"


def test_what_there_was_no_time_to_send_is_not_loaded_yet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PIECE", 2)
    saved = {"folder": str(run.folder), "config": "{}", "files": FILES, **ANSWERED}
    begun = run.act("loaded", until=1.0, _kamal_saved=saved)
    assert (begun["unfinished"], begun["sent"], begun["changed"]) == (True, 2, False)
    assert (run.visits, run.given) == ([b"ab"], {})
    rest = {**LACKS, "arrived": {"1": 2}}
    assert "unfinished" not in run.act("loaded", (rest, LACKS), until=1.0, _kamal_saved=saved)
    assert (run.visits, run.given["sent"]) == ([b"ab", b"c"], 1)


def test_a_host_that_has_the_image_is_sent_nothing(run: Run) -> None:
    run.act("loaded", (HAS, HAS), _kamal_saved={"skipped": True})
    assert (run.visits, run.given["saved"]) == ([], None)


def test_what_another_host_has_saved_is_fetched_and_no_copy_stays_there(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(run.folder / "cache"))
    run.module.return_value = {"folder": "/cache/x", "config": "{}", "files": FILES, **ANSWERED}
    result = run.act("saved")
    fetched = Path(result["folder"])
    assert sorted(file.name for file in fetched.iterdir()) == ["1", "2"]
    assert run.visits == [b"rm -rf /cache/x"]
    assert fetched.parent == run.folder / "cache/caravan/layers", "where what a killed run left is removed"


def test_layers_that_the_user_of_the_run_cannot_read_are_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(image_delivery.Sending, "send", refuse)
    saved = {"folder": "/root/x", "config": "{}", "files": FILES, **ANSWERED}
    told = run.act("loaded", _kamal_saved=saved)
    assert told["failed"] and "saved in /root/x by another user" in told["msg"]


def test_a_full_disk_and_a_lost_host_are_failures_that_a_rescue_sees(run: Run) -> None:
    saved = {"folder": str(run.folder), "config": "{}", "files": FILES, **ANSWERED}
    full = run.act("loaded", ({**LACKS, "free": 1}, LACKS), _kamal_saved=saved)
    assert full["failed"] and "3 B of layers are to be sent, 1 B are free" in full["msg"]
    run.module.side_effect = AnsibleConnectionFailure("gone")
    lost = run.act("loaded", _kamal_saved=saved)
    assert lost["failed"] and not lost.get("unreachable") and "The connection to host1 was lost: gone." in lost["msg"]
