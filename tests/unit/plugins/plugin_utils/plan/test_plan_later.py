# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which keys stop which run, and which are only told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import Settings, from_mapping, load
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.planner import plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.run import Run

LOCAL_REGISTRY = "registry: {server: 'localhost:5555'}"


def planned(text: str, root: Path | None = None, **run: Any) -> dict[str, Any]:
    data = {"service": "app", "servers": ["h1"], **(yaml.safe_load(text) or {})}
    config = from_mapping(data, None, str(root or "/project"))
    return dict(to_data(plan(config, Run(**{"version": "v1", "hosts": ["h1", "h2"], **run}))))


def refused(text: str, root: Path | None = None, **run: Any) -> list[str]:
    try:
        planned(text, root, **run)
    except ConfigError as error:
        return [problem.key_path for problem in error.problems]
    return []


def told(text: str, **run: Any) -> list[str]:
    return [notice.split(" ")[0] for notice in planned(text, **run)["notices"]]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", []),
        ("error_pages_path: p", ["error_pages_path"]),
        ("servers: {web: {hosts: [h1], options: {network: host}}}", ["servers/web/options/network"]),
        ("servers: {web: {hosts: [h1], options: {network: 'container:a'}}}", ["servers/web/options/network"]),
        ("servers: {web: {hosts: [h1], options: {network: other}}}\nproxy: {run: {options: {network: other}}}", []),
        ("servers: {web: {hosts: [h1], options: {network: kamal}}}", []),
        ("servers: {web: {hosts: [h1], options: {network: false}}}", []),
        ("servers: {web: {hosts: [h1], proxy: false, options: {network: host}}}", []),
        ("proxy: {run: {options: {network: host}}}", ["proxy/run/options/network"]),
        (
            "servers: {web: {hosts: [h1], proxy: {run: {options: {network: host}}}}}",
            ["servers/web/proxy/run/options/network"],
        ),
        (f"image: a\n{LOCAL_REGISTRY}", []),
    ],
)
def test_what_a_deploy_refuses(text: str, keys: list[str]) -> None:
    assert refused(text) == keys


@pytest.mark.parametrize(
    ("text", "run", "keys"),
    [
        ("error_pages_path: a", {"command": "redeploy"}, ["error_pages_path"]),
        ("error_pages_path: a", {"command": "rollback", "build": False}, ["error_pages_path"]),
        ("error_pages_path: a", {"command": "remove"}, []),
        ("error_pages_path: a", {"command": "inspect"}, []),
    ],
)
def test_what_a_run_refuses_is_what_it_would_need(text: str, run: dict[str, Any], keys: list[str]) -> None:
    assert refused(text, **run) == keys


def test_a_refusal_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "config" / "deploy.yml"
    path.parent.mkdir()
    path.write_text("service: app\nservers: [h1]\nproxy:\n  host: a\n  run:\n    options: {network: host}\n")
    with pytest.raises(ConfigError, match=r"config/deploy.yml:6: proxy/run/options/network: found host"):
        plan(load(str(path), None, Settings({})), Run("v1", ["h1"], build=True))


@pytest.mark.parametrize(
    ("text", "run", "taken", "pulled"),
    [
        ("", {}, True, False),
        (LOCAL_REGISTRY, {}, True, False),
        (LOCAL_REGISTRY, {"build": False, "command": "redeploy"}, True, False),
        (LOCAL_REGISTRY, {"local_hosts": ["h1"]}, False, False),
        (LOCAL_REGISTRY, {"build": False, "command": "rollback"}, False, False),
        (LOCAL_REGISTRY, {"build": False, "command": "inspect"}, False, False),
        ("image: a\nregistry: {server: r.example.com}", {}, False, True),
        ("image: a\nregistry: {username: u, password: [P]}", {}, False, True),
    ],
)
def test_without_a_registry_or_with_one_on_this_machine_images_are_taken_to_remote_hosts(
    text: str, run: dict[str, Any], taken: bool, pulled: bool
) -> None:
    made = planned(text, **run)
    assert (made["before_staging"] == "deliver", made["hosts"]["h1"]["image"]["pull"]) == (taken, pulled)
    assert made["build"] is None or made["build"]["push"] is pulled
    assert (made["registry"] is not None) is pulled


@pytest.mark.parametrize(
    ("registry", "image", "login"),
    [
        ("", "ghcr.io/acme/hello:1.4", False),
        ("registry: {server: ghcr.io, username: u, password: [P]}", "ghcr.io/acme/hello:1.4", True),
        ("registry: {server: r.example.com, username: u, password: [P]}", "ghcr.io/acme/hello:1.4", False),
        ("registry: {username: u, password: [P]}", "acme/hello@sha256:" + "0" * 64, True),
        (LOCAL_REGISTRY, "ghcr.io/acme/hello:1.4", False),
    ],
)
def test_an_image_that_was_built_elsewhere_is_pulled_and_only_its_own_registry_gets_the_login(
    registry: str, image: str, login: bool
) -> None:
    made = planned(f"image: a\n{registry}", build=False, image=image)
    assert (made["before_staging"], made["image"], made["build"]) == ("look_up", image, None)
    share = made["hosts"]["h1"]["image"]
    assert (share["repository"], share["service"], share["pull"]) == (
        image.partition("@")[0].removesuffix(":1.4"),
        None,
        True,
    )
    assert (made["registry"]["username"] == "u") is login


def test_a_registry_on_this_machine_that_nobody_starts_keeps_no_cache() -> None:
    build = planned(f"{LOCAL_REGISTRY}\nbuilder: {{cache: {{type: registry}}}}")["build"]
    assert (build["cache_from"], build["cache_to"]) == (None, None)


@pytest.mark.parametrize(
    "builder",
    [
        "{arch: amd64}",
        "{arch: amd64, remote: 'ssh://b@h', local: false}",
        "{arch: amd64, driver: docker}",
        "{arch: amd64, context: ., dockerfile: Dockerfile.production, secrets: [S], args: {A: b}}",
    ],
)
def test_a_registry_on_this_machine_goes_with_every_builder(builder: str) -> None:
    made = planned(f"{LOCAL_REGISTRY}\nbuilder: {builder}")
    assert made["before_staging"] == "deliver" and made["build"]["push"] is False
    assert made["registry_here"] == "localhost:5555" and made["registry"] is None


@pytest.mark.parametrize(
    "text", ["", "registry: {server: r.example.com}\nimage: app", "registry: {server: 'localhost:port'}"]
)
def test_others_have_no_registry_on_this_machine(text: str) -> None:
    assert planned(text)["registry_here"] is None


def test_several_architectures_need_a_registry_and_are_refused_before_anything_is_built() -> None:
    builder = "builder: {arch: [amd64, arm64]}"
    with pytest.raises(
        ConfigError, match="builder/arch: found amd64, arm64, and an image for several .* in a registry"
    ):
        planned(builder)
    login = "image: a\nregistry: {username: u, password: [P]}"
    assert planned(f"{login}\n{builder}")["build"]["arch"] == ["amd64", "arm64"]
    assert planned(builder, build=False)["build"] is None
    assert planned(builder, command="dev")["build"]["arch"] == []


def test_an_image_of_a_registry_on_this_machine_keeps_the_name_that_kamal_gives_it() -> None:
    assert planned(LOCAL_REGISTRY)["hosts"]["h1"]["image"]["repository"] == "localhost:5555/app"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", []),
        ("output: {file: {path: l}}\naliases: {a: app exec}", []),
        ("ssh: {user: app}", ["ssh"]),
        ("sshkit: {pool_idle_timeout: 60}", ["sshkit/pool_idle_timeout"]),
        ("sshkit: {dns_retries: 1, max_concurrent_starts: 2}", []),
        (
            "servers: {web: [h1], jobs: {hosts: [h1], options: {network: host}}}",
            ["servers/jobs/options/network"],
        ),
        ("accessories: {db: {image: a, host: h1, options: {network: n}}}", ["accessories/db/options/network"]),
        ("accessories: {db: {image: a, host: h1, network: n}}", []),
        (f"{LOCAL_REGISTRY}\nbuilder: {{cache: {{type: registry}}}}", ["builder/cache"]),
        (f"{LOCAL_REGISTRY}\nbuilder: {{cache: {{type: gha}}}}", []),
    ],
)
def test_what_is_told(text: str, keys: list[str]) -> None:
    assert told(text) == keys


@pytest.mark.parametrize(
    ("run", "keys"),
    [
        ({}, ["sshkit/pool_idle_timeout"]),
        ({"command": "setup"}, ["sshkit/pool_idle_timeout"]),
        ({"command": "rollback", "build": False}, ["sshkit/pool_idle_timeout"]),
        ({"command": "remove", "build": False}, []),
        ({"command": "inspect", "build": False}, []),
    ],
)
def test_only_a_run_that_would_use_a_key_tells_that_it_has_no_effect(run: dict[str, Any], keys: list[str]) -> None:
    text = "output: {file: {path: l}}\naliases: {a: app exec}\nsshkit: {pool_idle_timeout: 1}"
    assert told(text, **run) == keys


def test_the_ssh_section_of_a_file_needs_no_notice(tmp_path: Path) -> None:
    path = tmp_path / "deploy.yml"
    path.write_text("service: app\nservers: [h1]\nssh: {user: app}\n")
    assert plan(load(str(path), None, Settings({})), Run("v1", ["h1"])).notices == []


def test_a_notice_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "deploy.yml"
    path.write_text("service: app\nservers: {web: [h1], jobs: {hosts: [h1], options: {network: host}}}\n")
    (notice,) = plan(load(str(path), None, Settings({})), Run("v1", ["h1"])).notices
    assert notice.startswith("servers/jobs/options/network takes the container off the network kamal")
    assert notice.endswith(" (deploy.yml:2)")
