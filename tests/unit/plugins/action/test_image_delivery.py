# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a delivery: what each is handed of those before it, and when there is nothing to do."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Iterator
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.caravan.kamal.plugins.action import image_delivery
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.plugin_utils import delivery, tunnel
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan

IMAGE = {"reference": "hello:v1", "image_id": "sha256:i", "created": "then", "layers": ["a", "b", "c"], "settings": "s"}
LACKS = {"here": False, "layers": ["b"], "arrived": {}, "folder": "/home/ada/layers", "free": 10**9}
HAS = {**LACKS, "here": True, "layers": []}
FILES = [{"layer": "b", "name": "1", "size": 3}, {"layer": "c", "name": "2", "size": 3}]
ANSWERED = {"changed": False, "actions": [], "failed": False}
HERE = {**IMAGE, **ANSWERED, "reference": "localhost:5555/hello:v1"}
PULLED = {
    **{"image_id": "sha256:i", "repository": "localhost:5555/hello", "tag": "v1"},
    **{"digest": None, "pushed": False, "sent": 0, "reason": None},
}
PUSHED = {"digest": "sha256:d", "reason": None, **ANSWERED}


class Run:
    """One run on two hosts; `module` answers in the place of the module, `visits` what was sent."""

    def __init__(self, plan: Plan, tmp_path: Path) -> None:
        self.plan, self.folder = to_data(plan), tmp_path
        self.module = Mock(return_value={})
        self.given: dict[str, Any] = {}
        self.visits: list[bytes] = []
        self.transport, self.check = "ssh", False
        self.required: Any = False
        self.beside: dict[str, Any] = {}

    def act(
        self, state: str, lacking: tuple[Any, Any] = (LACKS, LACKS), until: Any = None, **known: Any
    ) -> dict[str, Any]:
        hosts = dict(zip(("host1", "host2"), ({"_kamal_lacking": each} for each in lacking), strict=True))
        hosts["host2"].update(self.beside)
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
            args={"state": state, "required": self.required, "send_until": until},
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


@pytest.mark.parametrize(
    ("built", "listed", "image_id"),
    [
        ({"tag": "v1", "image_id": "sha256:mine", "engine_id": "E"}, {}, "sha256:mine"),
        ({"tag": "v1", "image_id": None, "digest": "sha256:d", "engine_id": "E"}, {}, None),
        ({"tag": "v0", "image_id": "sha256:other", "engine_id": "E"}, {}, None),
        (
            {"tag": "v1", "image_id": "sha256:on the host"},
            {"reference": "hello:v1", "image_id": "sha256:i"},
            "sha256:i",
        ),
        ({}, {"reference": "hello:v0", "image_id": "sha256:i"}, None),
    ],
    ids=["built", "built for the registry", "built for a service before", "brought once more", "of a service before"],
)
def test_what_this_run_has_built_or_found_is_listed_by_its_id(
    run: Run, built: dict[str, Any], listed: dict[str, Any], image_id: str | None
) -> None:
    run.act("listed", _kamal_built={"repository": "hello", **built}, _kamal_listed=listed)
    assert run.given["image_id"] == image_id


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


def test_a_moment_that_is_text_is_one_all_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before ansible-core 2.19 a number that a variable has from another one is text."""
    monkeypatch.setattr(delivery, "PIECE", 2)
    saved = {"folder": str(run.folder), "config": "{}", "files": FILES, **ANSWERED}
    assert run.act("loaded", until="1.0", _kamal_saved=saved)["unfinished"]
    run.visits.clear()
    assert not run.act("loaded", until="0", _kamal_saved=saved).get("failed")
    assert (run.visits, run.given["sent"]) == ([b"ab", b"c"], 3)
    assert run.act("loaded", until="soon", _kamal_saved=saved)["msg"] == "send_until: expected a number, not 'soon'"


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


# A registry on the controller


class Way:
    """What is done with the way to a host: `refusals` is why there is none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.did: list[str] = []
        self.refusals: list[Exception] = []
        way = self

        class Tunnel:
            def __init__(self, _action: Any, port: int) -> None:
                self.port = port

            @contextmanager
            def opened(self) -> Iterator[None]:
                for refusal in way.refusals:
                    raise refusal
                way.did.append(f"open {self.port}")
                try:
                    yield
                finally:
                    way.did.append("close")

            def end_leftover(self) -> None:
                way.did.append(f"end {self.port}")

        monkeypatch.setattr(tunnel, "Tunnel", Tunnel)


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Way:
    return Way(monkeypatch)


@pytest.mark.parametrize(
    ("here", "transport", "fetches"),
    [("localhost:5555", "local", True), ("localhost:5555", "ssh", False), (None, "local", False)],
)
def test_an_image_that_only_the_registry_has_is_fetched_here(
    run: Run, here: str | None, transport: str, fetches: bool
) -> None:
    run.plan["registry_here"], run.transport = here, transport
    run.act("listed")
    assert run.given["fetch"] is fetches


def test_an_image_is_pulled_while_the_way_is_open(run: Run, way: Way) -> None:
    run.module.side_effect = lambda: way.did.append("pull") or {**PULLED, **ANSWERED, "changed": True}
    result = run.act("pulled", _kamal_listed=HERE, _kamal_pushed=PUSHED)
    assert way.did == ["open 5555", "pull", "close"]
    assert result["changed"] and run.given["digest"] == "sha256:d" and not result.get("notices")


@pytest.mark.parametrize(
    ("lacking", "pushed"),
    [(HAS, PUSHED), (LACKS, {**PUSHED, "digest": None}), (LACKS, {"skipped": True})],
    ids=["it is here", "it was not pushed", "there is no registry"],
)
def test_where_there_is_nothing_to_pull_no_way_is_opened(run: Run, way: Way, lacking: Any, pushed: Any) -> None:
    assert run.act("pulled", (lacking, LACKS), _kamal_listed=HERE, _kamal_pushed=pushed)["skipped"]
    assert way.did == [] and run.given == {}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (tunnel.NoTunnel("its SSH server refuses"), "its SSH server refuses"),
        (AnsibleConnectionFailure("gone"), "the connection was lost meanwhile"),
    ],
)
def test_without_a_way_it_is_told_and_layers_are_sent(run: Run, way: Way, error: Exception, reason: str) -> None:
    way.refusals = [error]
    result = run.act("pulled", _kamal_listed=HERE, _kamal_pushed=PUSHED)
    assert not result.get("failed") and result["image_id"] is None and run.given == {}
    told = f"The image is sent to host1 over SSH, and not pulled from localhost:5555: {reason}"
    assert result["notices"] == [told]
    saved = {"folder": str(run.folder), "config": "{}", "files": FILES, **ANSWERED}
    run.act("loaded", _kamal_listed=HERE, _kamal_pushed=PUSHED, _kamal_pulled=result, _kamal_saved=saved)
    assert run.visits == [b"abc"] and way.did == ["end 5555"]


@pytest.mark.parametrize(("required", "fails"), [("false", False), ("no", False), ("true", True), (None, True)])
def test_whether_it_is_required_may_be_said_in_text(run: Run, way: Way, required: Any, fails: bool) -> None:
    way.refusals, run.required = [tunnel.NoTunnel("its SSH server refuses")], required
    result = run.act("pulled", _kamal_listed=HERE, _kamal_pushed=PUSHED)
    assert bool(result.get("failed")) is fails


def test_a_pull_that_fails_is_told_and_the_way_is_closed(run: Run, way: Way) -> None:
    run.module.return_value = {**PULLED, **ANSWERED, "image_id": None, "reason": "Could not pull it: EOF"}
    result = run.act("pulled", _kamal_listed=HERE, _kamal_pushed=PUSHED)
    assert result["notices"][0].endswith("not pulled from localhost:5555: Could not pull it: EOF")
    assert way.did == ["open 5555", "close"]


def test_where_it_is_required_a_way_that_is_missing_is_an_error(run: Run, way: Way) -> None:
    run.required, way.refusals = True, [tunnel.NoTunnel("its SSH server refuses")]
    result = run.act("pushed", _kamal_listed=HERE, _kamal_registry={"here": True})
    assert (
        result["failed"]
        and result["msg"] == "localhost:5555/hello:v1 does not get through SSH: its SSH server refuses."
    )


@pytest.mark.parametrize(("transport", "did"), [("local", []), ("ssh", ["open 5555", "close"])])
def test_another_host_that_builds_pushes_through_a_way_of_its_own(
    run: Run, way: Way, transport: str, did: list[str]
) -> None:
    run.transport, run.module.return_value = transport, PUSHED
    assert run.act("pushed", _kamal_listed=HERE, _kamal_registry={"here": True})["digest"] == "sha256:d"
    assert way.did == did


def test_without_a_registry_nothing_is_pushed(run: Run, way: Way) -> None:
    assert run.act("pushed", _kamal_listed=HERE, _kamal_registry={"here": False, "reason": "no Docker"})["skipped"]
    assert way.did == [] and run.given == {}


def test_what_was_pulled_is_neither_saved_nor_sent(run: Run, way: Way) -> None:
    pulled = {**PULLED, **ANSWERED, "changed": True, "actions": ["pull it"], "notices": ["n"]}
    run.beside = {"_kamal_pulled": pulled}
    run.transport = "local"
    run.act("saved", (LACKS, {**LACKS, "layers": ["c"]}), _kamal_listed=HERE)
    assert run.given["layers"] == ["b"], "what the other host still lacks"
    run.given = {}
    loaded = run.act("loaded", _kamal_listed=HERE, _kamal_pulled=pulled)
    assert run.given == {} and (loaded["changed"], loaded["actions"], loaded["notices"]) == (False, [], [])
    assert (loaded["image_id"], loaded["digest"], loaded["pushed"]) == ("sha256:i", None, False)


@pytest.mark.parametrize("other", [{"repository": "localhost:5555/shop"}, {"tag": "v9"}])
def test_what_another_service_of_the_run_has_pulled_is_not_taken_for_this_image(
    run: Run, way: Way, other: dict[str, str]
) -> None:
    pulled = {**PULLED, **ANSWERED, **other, "image_id": "sha256:other"}
    run.beside, run.transport = {"_kamal_pulled": pulled}, "local"
    assert not run.act("saved", (HAS, LACKS), _kamal_listed=HERE, _kamal_pulled=pulled).get("skipped")
    assert run.given["layers"] == ["b"]
    saved = {"folder": str(run.folder), "config": "{}", "files": FILES, **ANSWERED}
    run.act("loaded", _kamal_listed=HERE, _kamal_pulled=pulled, _kamal_saved=saved)
    assert run.visits == [b"abc"] and run.given["saved"] == {"config": "{}", "files": FILES}


def test_what_another_service_would_pull_is_not_foretold_of_this_image(run: Run) -> None:
    run.check = True
    pulled = {**PULLED, "image_id": None, "foretold": True, "tag": "v9"}
    listed = {"reference": HERE["reference"], "image_id": None, "pending": True}
    loaded = run.act("loaded", _kamal_listed=listed, _kamal_pulled=pulled)
    assert loaded["actions"] == ["load localhost:5555/hello:v1, with the layers that are lacking"]


@pytest.mark.parametrize(
    ("listed", "pulls"),
    [
        (HERE, True),
        ({"reference": HERE["reference"], "image_id": None, "pending": True}, True),
        ({"reference": HERE["reference"], "image_id": None}, False),
    ],
    ids=["it is built", "it would be built", "nobody has it"],
)
def test_in_check_mode_it_is_foretold_that_it_would_be_pulled(run: Run, way: Way, listed: Any, pulls: bool) -> None:
    run.check = True
    known = {"_kamal_listed": listed, "_kamal_registry": {"here": True}, "_kamal_pushed": {"digest": None}}
    pulled = run.act("pulled", **known)
    assert pulled.get("actions", []) == (["pull localhost:5555/hello:v1"] if pulls else [])
    assert not run.act("loaded", **known, _kamal_pulled=pulled).get("actions")
    assert way.did == [] and run.given == {}


@pytest.mark.parametrize(
    ("more", "here", "pushes"),
    [({}, True, True), ({}, False, False), ({"changed": True}, True, False), ({"pending": False}, True, False)],
    ids=["it would be built", "there is no registry", "it would be fetched from there", "nobody has it"],
)
def test_in_check_mode_it_is_foretold_that_it_would_be_pushed(
    run: Run, way: Way, more: dict[str, bool], here: bool, pushes: bool
) -> None:
    run.check = True
    listed = {"reference": HERE["reference"], "image_id": None, "pending": True, "changed": False, **more}
    pushed = run.act("pushed", _kamal_listed=listed, _kamal_registry={"here": here})
    assert pushed.get("actions", []) == (["push localhost:5555/hello:v1"] if pushes else [])
    assert way.did == [] and run.given == {}


def test_in_check_mode_without_a_registry_it_would_be_sent(run: Run, way: Way) -> None:
    run.check = True
    listed = {"reference": HERE["reference"], "image_id": None, "pending": True}
    known = {"_kamal_listed": listed, "_kamal_registry": {"here": False}, "_kamal_pushed": {"skipped": True}}
    pulled = run.act("pulled", **known)
    assert run.act("loaded", **known, _kamal_pulled=pulled)["actions"] == [
        "load localhost:5555/hello:v1, with the layers that are lacking"
    ]
