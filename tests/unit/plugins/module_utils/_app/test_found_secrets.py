# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets that lie on the host: what is read, what is missing, and which files a release then writes."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import found_secrets
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.module_utils._errors import SecretError
from ansible_collections.caravan.kamal.plugins.module_utils._host import module as _module
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import handover
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan
from fakes import FakeEngine
from modules import perform

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

Share = Callable[..., HostShare]
ENV = ".kamal/apps/hello/env"
TODAY, KEPT = f"{ENV}/roles", f"{ENV}/releases/v1/roles"
DB = {"image": "postgres:16", "host": "host1", "env": {"secret": ["PASSWORD:DB"]}}
TWO = {"env": {"secret": ["TOKEN", "KEY:SOURCE"]}}


def write(home: Path, path: str, text: str) -> None:
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_text(text)


def everything(home: Path) -> dict[str, str]:
    """What the env files say, by path below the folder of env files."""
    return {str(path.relative_to(home / ENV)): path.read_text() for path in (home / ENV).rglob("*.env")}


def test_what_is_handed_over_is_not_looked_for(share_of: Share) -> None:
    assert found_secrets.of_roles(share_of("v1")) == {}


@pytest.mark.parametrize(("secrets_from", "folder"), [("hosts", TODAY), ("release", KEPT)])
def test_each_role_has_what_its_own_file_has_of_its_variables(
    home: Path, share_of: Share, secrets_from: str, folder: str
) -> None:
    write(home, f"{folder}/web.env", "TOKEN=t\nKEY=k=\nOLD=o\n")
    write(home, f"{folder}/worker.env", "# caravan: escaped\nTOKEN=one\\ntwo\nKEY=k\n")
    found = found_secrets.of_roles(share_of("v1", secrets_from=secrets_from, **TWO))
    assert found == {"web": {"TOKEN": "t", "KEY": "k="}, "worker": {"TOKEN": "one\ntwo", "KEY": "k"}}


def test_a_role_without_secrets_needs_no_file(share_of: Share) -> None:
    assert found_secrets.of_roles(share_of("v1", secrets_from="hosts", env={"A": "1"})) == {"web": {}, "worker": {}}


@pytest.mark.parametrize(
    ("secrets_from", "folder", "remedies"),
    [
        ("hosts", TODAY, ["kamal_env_push=false", "caravan.kamal.env.push"]),
        ("release", KEPT, ["version v1 went live with", "-e kamal_rollback_secrets=current"]),
    ],
)
def test_all_that_is_missing_is_told_with_host_role_file_and_names(
    home: Path, share_of: Share, secrets_from: str, folder: str, remedies: list[str]
) -> None:
    write(home, f"{folder}/web.env", "TOKEN=hidden\nKEY=\n")
    with pytest.raises(SecretError) as caught:
        found_secrets.of_roles(share_of("v1", secrets_from=secrets_from, **TWO))
    message = caught.value.message
    assert "missing on host1" in message and "hidden" not in message
    assert f"the role web: {home}/{folder}/web.env has no value for KEY." in message
    assert f"the role worker: there is no {home}/{folder}/worker.env, which should have TOKEN, KEY." in message
    assert [remedy for remedy in remedies if remedy not in message] == []


def test_an_accessory_has_its_own_file(home: Path, plan_of: Callable[..., Plan]) -> None:
    def share(secrets_from: str) -> Any:
        plan = plan_of("v1", command="setup", secrets_from=secrets_from, accessories={"db": DB})
        return handover.accessory_share(plan, "db", "host1")

    assert found_secrets.of_accessory(share("controller")) is None
    with pytest.raises(SecretError, match=f"the accessory db: there is no {home}/{ENV}/accessories/db.env, which"):
        found_secrets.of_accessory(share("hosts"))
    write(home, f"{ENV}/accessories/db.env", "PASSWORD=p\n")
    assert found_secrets.of_accessory(share("hosts")) == {"PASSWORD": "p"}


# What the modules do with it


@pytest.fixture
def act(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The modules, on a host that has every image."""
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    engine.add_image("postgres:16", "ipg", service=None)
    monkeypatch.setattr(_module.DockerEngine, "at", lambda *_arguments: engine)

    def run(module: str, check: bool = False, **arguments: Any) -> dict[str, Any]:
        main = import_module(f"ansible_collections.caravan.kamal.plugins.modules.{module}").main
        return perform(main, arguments, check)

    return run


@pytest.fixture
def roll_out(act: Any, engine: FakeEngine, share_of: Share) -> Callable[..., list[str]]:
    """A version, staged and brought live; returns the actions."""

    def run(version: str, token: str | None = None, **keys: Any) -> list[str]:
        share = share_of(version, **keys)
        engine.add_image(share.image.reference, f"image of {version}")
        actions = []
        for state in ("staged", "live"):
            secrets = json.dumps({"TOKEN": token} if token else {})
            result = act("release", state=state, plan=to_data(share), secrets=secrets)
            assert not result.get("failed"), result
            actions += result["actions"]
        return actions

    return run


def token_of(engine: FakeEngine, container: str) -> str:
    return next(pair for pair in engine.here[container]["Config"]["Env"] if pair.startswith("TOKEN=")).partition("=")[2]


def test_a_release_keeps_what_it_went_live_with_and_a_rotated_secret_updates_it(
    roll_out: Any, home: Path, engine: FakeEngine
) -> None:
    roll_out("v1", "one")
    assert set(everything(home)) == {
        "roles/web.env",
        "roles/worker.env",
        "releases/v1/roles/web.env",
        "releases/v1/roles/worker.env",
    }
    assert {path.stat().st_mode & 0o777 for path in (home / ENV).rglob("*.env")} == {0o600}
    roll_out("v2", "two")
    assert everything(home)["releases/v1/roles/web.env"] == "TOKEN=one\n"
    roll_out("v2", "three")
    assert {text for path, text in everything(home).items() if "v1" not in path} == {"TOKEN=three\n"}


def test_what_never_went_live_keeps_nothing(act: Any, share_of: Share, home: Path, engine: FakeEngine) -> None:
    engine.add_image("hello:v1", "i1")
    engine.dying.add("hello-web-v1")
    plan = to_data(share_of("v1"))
    act("release", state="staged", plan=plan, secrets='{"TOKEN": "t"}')
    assert act("release", state="live", plan=plan, secrets='{"TOKEN": "t"}')["failed"]
    assert not (home / ENV).exists()


@pytest.mark.parametrize(("secrets_from", "token"), [("release", "one"), ("controller", "three"), ("hosts", "pushed")])
def test_a_rollback_starts_with_the_secrets_that_it_is_told_to(
    roll_out: Any, home: Path, engine: FakeEngine, secrets_from: str, token: str
) -> None:
    roll_out("v1", "one")
    roll_out("v2", "two")
    for role in ("web", "worker"):
        write(home, f"{TODAY}/{role}.env", "TOKEN=pushed\n")
    handed = "three" if secrets_from == "controller" else None
    roll_out("v1", handed, command="rollback", secrets_from=secrets_from)
    assert {token_of(engine, f"hello-{role}-v1") for role in ("web", "worker")} == {token}
    today = "three" if secrets_from == "controller" else "pushed"
    assert everything(home)["roles/web.env"] == f"TOKEN={today}\n"
    assert everything(home)["releases/v1/roles/web.env"] == f"TOKEN={token}\n"
    assert roll_out("v1", handed, command="rollback", secrets_from=secrets_from) == []


def test_one_secret_that_one_role_uses_replaces_that_role_only(roll_out: Any, home: Path, engine: FakeEngine) -> None:
    roll_out("v1", "one")
    write(home, f"{TODAY}/worker.env", "TOKEN=two\n")
    actions = roll_out("v1", secrets_from="hosts")
    assert [action for action in actions if "web" in action] == []
    assert (token_of(engine, "hello-web-v1"), token_of(engine, "hello-worker-v1")) == ("one", "two")
    assert everything(home)["releases/v1/roles/worker.env"] == "TOKEN=two\n"


@pytest.mark.parametrize("check", [True, False], ids=["dry run", "run"])
@pytest.mark.parametrize("state", ["staged", "live"])
def test_what_is_missing_ends_it_before_the_engine_is_asked_for_anything(
    act: Any, share_of: Share, engine: FakeEngine, state: str, check: bool
) -> None:
    result = act("release", state=state, plan=to_data(share_of("v1", secrets_from="hosts")), check=check)
    assert result["failed"] and not result["changed"] and engine.calls == []
    assert "the role web: there is no" in result["msg"]


@pytest.mark.parametrize("state", ["proven", "stopped", "absent"])
def test_who_needs_no_secret_looks_for_none(act: Any, roll_out: Any, share_of: Share, home: Path, state: str) -> None:
    roll_out("v1", "one")
    for path in (home / ENV).rglob("*.env"):
        os.unlink(path)
    result = act("release", state=state, plan=to_data(share_of("v1", secrets_from="hosts")))
    assert not result.get("failed"), result


def test_an_accessory_is_booted_with_what_lies_there(
    act: Any, plan_of: Callable[..., Plan], home: Path, engine: FakeEngine
) -> None:
    plan = plan_of("v1", command="setup", secrets_from="hosts", accessories={"db": DB})
    share = to_data(handover.accessory_share(plan, "db", "host1"))
    assert act("accessory", name="db", plan=share)["failed"] and engine.calls == []
    write(home, f"{ENV}/accessories/db.env", "PASSWORD=p4ssw0rd\nMORE=1\n")
    result = act("accessory", name="db", plan=share)
    assert result["actions"] == ["create network kamal", "boot container hello-db"]
    assert "PASSWORD=p4ssw0rd" in engine.here["hello-db"]["Config"]["Env"]
    assert act("accessory", name="db", plan=share)["actions"] == []


def test_what_was_found_is_masked_like_what_was_handed_over(
    act: Any, share_of: Share, home: Path, engine: FakeEngine
) -> None:
    for role in ("web", "worker"):
        write(home, f"{TODAY}/{role}.env", f"TOKEN={role}-s3cr3t\n")
    engine.add_image("hello:v1", "i1")
    engine.dying.add("hello-web-v1")
    engine.output["hello-web-v1"] = "cannot log in with web-s3cr3t"
    plan = to_data(share_of("v1", secrets_from="hosts"))
    act("release", state="staged", plan=plan)
    result = act("release", state="live", plan=plan)
    assert result["failed"] and "cannot log in with ********" in result["msg"]
    assert "s3cr3t" not in str(result)


def test_a_file_that_others_could_read_is_theirs_no_more_after_a_deploy(roll_out: Any, home: Path) -> None:
    write(home, f"{TODAY}/web.env", "TOKEN=one\n")
    (home / TODAY / "web.env").chmod(0o644)
    roll_out("v1", "one")
    assert (home / TODAY / "web.env").stat().st_mode & 0o777 == 0o600


def test_what_dies_after_it_went_live_shows_no_secret(
    act: Any, roll_out: Any, share_of: Share, home: Path, engine: FakeEngine
) -> None:
    """Nobody hands any over to look at it once again."""
    roll_out("v1", "w3b-s3cr3t")
    engine.container("hello-web-v1")["State"].update(Status="exited", Running=False, ExitCode=7)
    engine.output["hello-web-v1"] = "cannot log in with w3b-s3cr3t"
    result = act("release", state="proven", plan=to_data(share_of("v1")))
    assert result["failed"] and "cannot log in with ********" in result["msg"]
    assert "s3cr3t" not in str(result)
    assert "s3cr3t" not in (home / ".kamal/apps/hello/history.jsonl").read_text()
