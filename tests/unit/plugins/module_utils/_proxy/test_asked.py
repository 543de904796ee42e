# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How kamal-proxy is run is said by the apps of a host, or by the files that `kamal proxy boot_config` left there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError, ProxyError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import boot_config
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.asked import Asked
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.settings import proxy_container
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("home")


def ask(app: str, check: bool = False, engine: FakeEngine | None = None, **run: Any) -> tuple[Any, Changes]:
    changes, asked = Changes(check_mode=check), Asked(app, run)
    wanted = asked.wanted(engine or FakeEngine(), changes, proxy_container(run))
    asked.record(changes)
    return wanted, changes


def leave(home: Path, **texts: str) -> None:
    (home / ".kamal" / "proxy").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (home / ".kamal" / "proxy" / name).write_text(text + "\n")


def test_two_apps_that_ask_for_different_settings_are_both_named_with_what_differs(home: Path) -> None:
    ask("hello", http_port=8080, debug=True)
    with pytest.raises(ProxyError) as caught:
        ask("other-staging", http_port=8081)
    message = caught.value.message
    assert "other-staging and hello share the kamal-proxy of this host" in message
    assert "http_port is 8081 for other-staging and 8080 for hello" in message
    assert "debug is false for other-staging and true for hello" in message
    assert f"remove {home}/.kamal/proxy/settings/hello/run.json" in message
    assert not (home / ".kamal/proxy/settings/other-staging").exists()


@pytest.mark.parametrize(
    "run",
    [{}, {"http_port": 8080}, {"http_port": 8080, "https_port": 443}],
    ids=["says nothing", "the same", "the same and a default"],
)
def test_those_that_say_the_same_or_nothing_agree(run: dict[str, Any]) -> None:
    ask("hello", http_port=8080)
    ask("other", **run)


def test_an_app_may_change_its_mind_and_take_it_back(home: Path) -> None:
    for run in ({"http_port": 8080}, {"http_port": 8081}, {}):
        ask("hello", **run)
    assert not (home / ".kamal/proxy/settings/hello/run.json").exists()
    ask("other", http_port=9090)


def test_in_check_mode_nothing_is_noted_and_a_disagreement_is_told(home: Path) -> None:
    ask("hello", check=True, http_port=8080)
    assert not (home / ".kamal").exists()
    ask("hello", http_port=8080)
    with pytest.raises(ProxyError):
        ask("other", check=True, http_port=1)


@pytest.mark.parametrize("garbage", ["", "{", "[1]", "null"])
def test_garbage_asks_for_nothing(home: Path, garbage: str) -> None:
    file = home / ".kamal/proxy/settings/hello/run.json"
    file.parent.mkdir(parents=True)
    file.write_text(garbage)
    ask("other", http_port=1)


@pytest.mark.parametrize(
    ("texts", "section"),
    [
        ({}, {}),
        ({"options": "--publish 80:80 --publish 443:443 --log-opt max-size=10m"}, {}),
        (
            {"options": "--publish=8080:80 --publish=443:443 --log-opt=max-size=20m"},
            {"http_port": 8080, "log_max_size": "20m"},
        ),
        (
            {"options": "--publish 192.0.2.1:80:80 --publish 192.0.2.1:443:443 --log-opt max-size=10m"},
            {"publish": False, "options": {"publish": ["192.0.2.1:80:80", "192.0.2.1:443:443"]}},
        ),
        ({"options": "--log-opt max-size=10m"}, {"publish": False}),
        (
            {"options": '--publish 80:80 --publish 443:443 --log-opt max-size=10m --label "a=b c" --privileged'},
            {"options": {"label": ["a=b c"], "privileged": True}},
        ),
        ({"image": "registry.example.com/kamal-proxy"}, {"repository": "registry.example.com/kamal-proxy"}),
        ({"image_version": "v0.9.3"}, {"version": "v0.9.3"}),
        ({"run_command": "kamal-proxy run --debug --metrics-port 9090"}, {"debug": True, "metrics_port": 9090}),
        (
            {
                "options": "--publish 80:80 --publish 443:443 --log-opt max-size=10m --expose=9090",
                "run_command": 'kamal-proxy run --metrics-port="9090"',
            },
            {"metrics_port": 9090},
        ),
    ],
)
def test_kamals_files_as_a_section(home: Path, texts: dict[str, str], section: dict[str, Any]) -> None:
    leave(home, **texts)
    assert boot_config.section() == section
    proxy_container(section)


def test_they_count_where_the_configuration_leaves_it_open(home: Path) -> None:
    leave(home, image_version="v0.9.3")
    wanted, changes = ask("hello")
    assert wanted["Image"] == "basecamp/kamal-proxy:v0.9.3"
    assert "caravan.kamal.proxy.boot_config" in changes.notices[0]
    wanted, changes = ask("hello", http_port=8080)
    assert wanted["Image"] == "basecamp/kamal-proxy:v0.9.2" and changes.notices == []


NO_SECTION = [
    {"run_command": "kamal-proxy run --http-port 3000"},
    {"run_command": "sh -c true"},
    {"run_command": "kamal-proxy run --metrics-port=²"},
    {"options": "--publish '80:80"},
    {"options": "80:80"},
]


@pytest.mark.parametrize("texts", NO_SECTION)
def test_what_has_no_form_in_a_section_is_told_with_its_file(home: Path, texts: dict[str, str]) -> None:
    leave(home, **texts)
    with pytest.raises(ConfigError, match=f"{home}/.kamal/proxy/{next(iter(texts))}"):
        boot_config.section()


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("texts", [*NO_SECTION, {"options": "--memory 1g --memory 2g"}, {"options": "--foo=1"}])
def test_what_has_no_form_in_a_section_stops_only_where_a_container_is_made(
    engine: FakeEngine, home: Path, texts: dict[str, str], check: bool
) -> None:
    leave(home, **texts)
    with pytest.raises(ConfigError):
        ask("hello", check, engine)
    engine.boot_proxy()
    wanted, changes = ask("hello", check, engine)
    assert wanted == proxy_container({})
    (notice,) = changes.notices
    assert f"{home}/.kamal/proxy is passed over, since kamal-proxy is there already: " in notice
    with pytest.raises(ConfigError):
        Asked("hello", {}).wanted(engine, Changes(check), proxy_container({}), anew=True)


def test_they_are_removed_and_shown_before(home: Path) -> None:
    leave(home, image_version="v0.9.3", options="--log-opt max-size=1m")
    for check in (True, False):
        changes = Changes(check_mode=check)
        boot_config.reset(changes)
        assert changes.actions == ["remove .kamal/proxy/options", "remove .kamal/proxy/image_version"]
        assert "v0.9.3" in changes.result()["diff"]["before"]
    changes = Changes(check_mode=False)
    boot_config.reset(changes)
    assert changes.actions == [] and boot_config.section() == {}
