# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs on a host, as service_info tells it and as people read it, and what it logged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import info as _info
from ansible_collections.caravan.kamal.plugins.module_utils._app import logs
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.module_utils._names import Names
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import commands
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.flags import deploy_argv, options
from ansible_collections.caravan.kamal.plugins.plugin_utils.display import report
from fakes import FakeEngine

NAMES = Names("hello")
LABELS = {"service": "hello", "destination": ""}
NOTICES: list[str] = []


def look(engine: FakeEngine, *roles: str, names: Names = NAMES, accessories: Any = ()) -> dict[str, Any]:
    return _info.look(engine, names, _info.Wanted(roles, accessories), NOTICES.append)


@pytest.fixture
def host(engine: FakeEngine, home: Path) -> FakeEngine:
    engine.boot_proxy()
    engine.add_image("hello:v1", "i1")
    engine.add_image("hello:latest", "i1")
    engine.add("hello-web-v0", "i0", "exited", role="web", **LABELS)
    engine.add("hello-web-v1", "i1", role="web", **LABELS)
    engine.add("hello-worker-v1", "i1", "exited", role="worker", **LABELS)
    engine.add("hello-web-staging-v9", "i9", role="web", service="hello", destination="staging")
    engine.add("hello-db", "postgres", service="hello-db")
    wanted = options({"host": "hello.example.com"}, deploy_timeout=1, drain_timeout=1)
    for route, container in (("hello-web", "hello-web-v1"), ("hello-web-staging", "hello-web-staging-v9")):
        engine.execute("kamal-proxy", deploy_argv(route, f"{engine.here[container]['Id'][:12]}:80", wanted))
    (home / ".kamal/apps/hello").mkdir(parents=True)
    (home / ".kamal/apps/hello/history.jsonl").write_text(json.dumps({"version": "v1"}) + "\n")
    engine.calls.clear()
    return engine


def test_a_blank_host(engine: FakeEngine, home: Path) -> None:
    assert look(engine, accessories=["hello-db"]) == {
        "running": {},
        "containers": [],
        "routes": {},
        "balanced": {},
        "accessories": {"hello-db": None},
        "images": [],
        "latest": None,
        "history": [],
        "proxy": {"running": False, "state": "absent", "image": None},
    }


def test_a_broken_state_of_kamal_proxy_is_told_and_the_rest_still_shown(
    host: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "WRITTEN_WITHIN", 0)
    NOTICES.clear()
    host.state_file = b'[{"name": "hello-web", "opt'
    shown = look(host)
    assert (shown["routes"], shown["running"]) == ({}, {"web": "v1"})
    assert len(NOTICES) == 1 and "broken" in NOTICES[0]
    assert host.calls == []


def test_a_host_with_everything(host: FakeEngine) -> None:
    info = look(host, accessories=["hello-db"])
    assert info["running"] == {"web": "v1"}
    assert [(item["name"], item["version"], item["state"]) for item in info["containers"]] == [
        ("hello-worker-v1", "v1", "exited"),
        ("hello-web-v1", "v1", "running"),
        ("hello-web-v0", "v0", "exited"),
    ]
    assert info["routes"] == {
        "hello-web": {
            "targets": ["hello-web-v1:80"],
            "hosts": ["hello.example.com"],
            "path_prefixes": ["/"],
            "tls": False,
            "state": "running",
            "message": "",
        }
    }
    assert info["proxy"] == {"running": True, "state": "running", "image": "basecamp/kamal-proxy:v0.9.2"}
    assert info["accessories"]["hello-db"]["state"] == "running"
    assert info["images"] == [
        {"id": "i1", "tags": ["hello:v1", "hello:latest"], "containers": ["hello-worker-v1", "hello-web-v1"]}
    ]
    assert info["latest"] == {"id": "i1", "tag": "hello:latest"}
    assert info["history"] == [{"version": "v1"}]
    assert host.calls == []


def test_another_destination_is_another_service(host: FakeEngine) -> None:
    info = look(host, names=Names("hello", "staging"))
    assert info["running"] == {"web": "v9"}
    assert list(info["routes"]) == ["hello-web-staging"]


def test_roles_can_be_chosen(host: FakeEngine) -> None:
    info = look(host, "worker")
    assert [item["role"] for item in info["containers"]] == ["worker"]
    assert info["routes"] == {}


def test_of_two_that_run_the_one_with_the_latest_image_counts(host: FakeEngine) -> None:
    host.add("hello-web-v2", "i2", role="web", **LABELS)
    assert look(host)["running"] == {"web": "v1"}
    host.pictures.clear()
    assert look(host)["running"] == {"web": "v2"}


def test_what_waits_does_not_run_for_the_service_unless_nothing_else_does(host: FakeEngine) -> None:
    host.add("hello-worker-v2_staged", "i2", "created", role="worker", **LABELS)
    assert "worker" not in look(host)["running"]
    host.start("hello-worker-v2_staged")
    host.container("hello-worker-v2_staged")["Config"]["Labels"]["caravan.version"] = "v2"
    assert look(host)["running"]["worker"] == "v2"
    host.add("hello-worker-v0", "i1", role="worker", **LABELS)
    assert look(host)["running"]["worker"] == "v0"


@pytest.mark.parametrize(
    ("status", "health"),
    [
        ("Up 2 minutes", None),
        ("Up 2 minutes (healthy)", "healthy"),
        ("Up 1 second (health: starting)", "starting"),
        ("Up 2 hours (unhealthy)", "unhealthy"),
        ("Exited (137) 2 minutes ago", None),
    ],
)
def test_health_is_read_from_the_status(status: str, health: str | None) -> None:
    from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Container

    assert _info._state(Container("i", "n", "running", "i", 0, status=status))["health"] == health


# As people read it


def test_details_for_people(host: FakeEngine) -> None:
    host.execute("kamal-proxy", ["kamal-proxy", "stop", "hello-web", "--message=Back soon"])
    text = report.details({"web1": look(host, accessories=["hello-db", "hello-search"]), "web2": None})
    assert text.splitlines() == [
        "HOST  ROLE    VERSION  STATE      HEALTH  SINCE                     ROUTE",
        "web1  web     v1       running    -       Up 2 minutes              hello.example.com (stopped)",
        "web1  worker  v1       exited     -       Exited (0) 2 minutes ago  -",
        "web2  -       -        no answer  -       -                         -",
        "",
        "HOST  PROXY    IMAGE",
        "web1  running  basecamp/kamal-proxy:v0.9.2",
        "",
        "HOST  ACCESSORY     STATE    SINCE         IMAGE",
        "web1  hello-db      running  Up 2 minutes  postgres",
        "web1  hello-search  absent   -             -",
    ]


def test_a_blank_host_for_people(engine: FakeEngine, home: Path) -> None:
    assert "web1  -     -        nothing here" in report.details({"web1": look(engine)})


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (
            "containers",
            """\
HOST  CONTAINER        STATE    HEALTH  SINCE                     IMAGE
web1  hello-worker-v1  exited   -       Exited (0) 2 minutes ago  i1
web1  hello-web-v1     running  -       Up 2 minutes              i1
web1  hello-web-v0     exited   -       Exited (0) 2 minutes ago  i0
web2  nothing here     -        -       -                         -
web3  no answer        -        -       -                         -""",
        ),
        (
            "images",
            """\
HOST  IMAGE         ID  CONTAINERS
web1  hello:v1      i1  hello-worker-v1, hello-web-v1
web1  hello:latest  i1  hello-worker-v1, hello-web-v1
web1  -             i2  -
web2  nothing here  -   -
web3  no answer     -   -""",
        ),
        (
            "version",
            """\
HOST  ROLE          VERSION
web1  web           v1
web2  nothing here  -
web3  no answer     -""",
        ),
    ],
)
def test_what_app_lists_for_people(host: FakeEngine, of: str, expected: str) -> None:
    host.pictures["i2"] = replace(host.pictures["hello:v1"], id="i2", tags=["<none>:<none>"])
    blank = look(FakeEngine())
    assert report.TEXTS[of]({"web1": look(host), "web2": blank, "web3": None}) == expected


def test_lines_for_people() -> None:
    assert report.audit({"a": {"lines": ["one", "two"]}, "b": {"lines": []}, "c": None}) == (
        "a:\n  one\n  two\n\nb:\n  nothing\n\nc:\n  no answer"
    )
    assert report.logs(
        {"a": {"logs": {"web": {"container": "c", "state": "running", "lines": ["x"]}}}, "b": {"logs": {}}}
    ) == ("a web (c, running):\n  x\n\nb:\n  nothing")
    assert report.actions({"a": {"results": [{"actions": ["x"]}, {"actions": ["y"]}]}, "b": {"actions": []}}) == (
        "a:\n  x\n  y\n\nb:\n  nothing"
    )


# Logs


def read(
    engine: FakeEngine, *roles: str, lines: int | None = None, since: Any = None, grep: Any = None
) -> dict[str, Any]:
    return logs.read(engine, NAMES, roles, logs.Limits.of(lines, since, grep))


def test_logs_are_of_what_runs_or_else_of_the_newest(host: FakeEngine) -> None:
    host.add("hello-web-v2", "i2", "exited", role="web", **LABELS)
    host.add("hello-worker-v2", "i2", "exited", role="worker", **LABELS)
    host.add("hello-worker-v3_staged", "i2", "created", role="worker", **LABELS)
    host.output["hello-worker-v2"] = "panic"
    found = read(host)
    assert {role: item["container"] for role, item in found.items()} == {
        "web": "hello-web-v1",
        "worker": "hello-worker-v2",
    }
    assert found["worker"] == {"container": "hello-worker-v2", "state": "exited", "lines": ["panic"]}
    assert list(read(host, "web")) == ["web"]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, [f"GET /{number}" for number in range(100, 200)]),
        ({"lines": 2}, ["GET /198", "GET /199"]),
        ({"grep": r"/19\d$"}, [f"GET /{number}" for number in range(190, 200)]),
        ({"grep": "/1", "lines": 1}, ["GET /199"]),
        ({"since": "10m"}, [f"GET /{number}" for number in range(200)]),
    ],
    ids=["default", "lines", "grep", "both", "since"],
)
def test_how_many_lines(host: FakeEngine, limits: Any, expected: list[str]) -> None:
    host.output["hello-web-v1"] = "\n".join(f"GET /{number}" for number in range(200))
    assert read(host, "web", **limits)["web"]["lines"] == expected


def test_lines_are_chosen_by_the_grep_of_the_host_where_it_has_options(host: FakeEngine) -> None:
    host.output["hello-web-v1"] = "one\ntwo\nthree\nfour"
    limits = logs.Limits.of(2, None, "TWO", "-i -A 1")
    assert logs.read(host, NAMES, ["web"], limits)["web"]["lines"] == ["two", "three"]
    assert logs.read(host, NAMES, ["web"], logs.Limits.of(2, None, "five", "-i"))["web"]["lines"] == []
    with pytest.raises(ConfigError, match="grep_options: grep: .*nonsense"):
        logs.read(host, NAMES, ["web"], logs.Limits.of(2, None, "five", "--nonsense"))


@pytest.mark.parametrize(
    ("limits", "message"), [({"since": "yesterday"}, "neither a duration"), ({"grep": "("}, "regular")]
)
def test_limits_that_mean_nothing(host: FakeEngine, limits: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(host, **limits)
