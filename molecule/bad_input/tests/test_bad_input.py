# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever can be wrong: one clear message that names the place and the remedy, and nothing that served changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
from hosts import Host, ask, everywhere, lost
from project import Project, Run

CONFIG = {"boot": {"limit": 1}}
CONFIG_FILE = "config/deploy.yml"
BUILT = {"kamal_build": False}
# The line that closes a run, up to its seconds. Hosts that it did not come to are not in it.
IN_THE_PLAN = "failed: the controller; unchanged: web1 ("
IN_THE_BUILD = "failed: the controller; unchanged: web1, web2, worker1 ("
EVERYWHERE = "failed: web1, web2, worker1 ("
IN_THE_FIRST_BATCH = "failed: web1; changed: web2, worker1 ("
BESIDE_THE_OTHERS = "failed: worker1; changed: web1, web2 ("


@pytest.fixture(scope="module", autouse=True)
def served(project: Project, hosts: list[Host]) -> list[str]:
    """What serves on each host from the beginning of the story to its end."""
    assert project.deploy("v1").ok
    return everywhere(hosts, lambda host: host.serving)


@pytest.fixture
def serving(project: Project, hosts: list[Host], served: list[str]) -> Iterator[None]:
    """What served at first still serves, no host is locked, and the project is as it was for the next one."""
    config, kept = project.config, {name: (project.root / name).read_text() for name in KEPT}
    yield
    project.config = config
    for name, text in kept.items():
        project.write(name, text)
    assert everywhere(hosts, lambda host: host.serving) == served
    assert "lock-" not in "".join(served)
    assert ask().version == "v1"


KEPT = (CONFIG_FILE, ".kamal/secrets", "ansible.cfg", "Dockerfile")


def assert_told(run: Run, words: tuple[str, ...]) -> None:
    assert run.code != 0
    assert "Traceback" not in run.output
    told = " ".join(run.output.split())
    for word in words:
        assert word in told


@dataclass(frozen=True)
class Mistake:
    """How it is made, in the project or as an argument, and the words that the message must have."""

    told: tuple[str, ...]
    make: Callable[[Project], object] = lambda project: None
    variables: dict[str, Any] = field(default_factory=dict)
    inventory: str = CONFIG_FILE


def config(changes: dict[str, Any]) -> Callable[[Project], object]:
    return lambda project: project.configure(changes)


def file(path: str, text: str) -> Callable[[Project], object]:
    return lambda project: project.write(path, text)


IN_THE_PROJECT = {
    "config_missing": Mistake(
        told=("config/deploy.yml", "caravan.kamal.init"), make=lambda project: (project.root / CONFIG_FILE).unlink()
    ),
    "plugin_not_enabled": Mistake(
        told=("no app hosts", "enable_plugins = caravan.kamal.deploy", "caravan.kamal.init", "kamal_hosts"),
        make=file("ansible.cfg", ""),
    ),
    "secret_missing_and_its_file_broken": Mistake(
        told=("DATABASE_URL", ".kamal/secrets:1", "NAME=value", "kamal_secrets", IN_THE_PLAN),
        make=lambda project: (
            project.configure({"env": {"secret": ["DATABASE_URL"]}}),
            project.write(".kamal/secrets", "not a secret\n"),
        ),
    ),
    "hook_not_executable": Mistake(
        told=("pre-deploy", "chmod +x", "kamal_skip_hooks", IN_THE_PLAN),
        make=file(".kamal/hooks/pre-deploy", "#!/bin/sh\n"),
    ),
    "host_not_in_the_inventory": Mistake(
        told=("web2", "inventory", IN_THE_PLAN),
        make=file("hosts", "web1\nworker1\n"),
        inventory="hosts",
        variables={"kamal_hosts": "all", "kamal_config_file": "config/deploy.yml"},
    ),
}

IN_WHAT_IT_MEETS = {
    "image_not_found": Mistake(
        told=("stories/hello:never", "kamal_build", EVERYWHERE), variables={**BUILT, "kamal_version": "never"}
    ),
    "wrong_password_for_a_push": Mistake(
        told=("registry:4443", "refused", "registry/password", IN_THE_BUILD),
        make=file(".kamal/secrets", "REGISTRY_PASSWORD=wrong\n"),
    ),
    "wrong_password_for_a_pull": Mistake(
        told=("registry:4443", "refused", "registry/password", EVERYWHERE),
        make=file(".kamal/secrets", "REGISTRY_PASSWORD=wrong\n"),
        variables={**BUILT, "kamal_version": "never"},
    ),
    "registry_unreachable": Mistake(
        told=("registry:4444", "registry/server", IN_THE_BUILD),
        make=config({"registry": {"server": "registry:4444"}}),
    ),
    "dockerfile_missing": Mistake(
        told=("Dockerfile.nowhere", "builder/dockerfile", IN_THE_BUILD),
        make=config({"builder": {"dockerfile": "Dockerfile.nowhere"}}),
    ),
    "build_fails": Mistake(
        told=("could not be built", "no-such-command", IN_THE_BUILD),
        make=file("Dockerfile", "FROM busybox:1.36\nRUN no-such-command\n"),
    ),
    "unhealthy_app": Mistake(
        told=(
            "hello-web-v1",
            "web1",
            "proxy/healthcheck/path",
            "Last log lines",
            "listens on port 80",
            IN_THE_FIRST_BATCH,
        ),
        make=config({"env": {"clear": {"UNHEALTHY": "1"}}, "deploy_timeout": 3}),
        variables={**BUILT, "kamal_version": "v1"},
    ),
    "route_taken_by_another_service": Mistake(
        told=("web1", "Another service", "proxy/host", IN_THE_FIRST_BATCH),
        make=config({"service": "usurper", "image": "stories/usurper"}),
    ),
}


@pytest.mark.parametrize("mistake", IN_THE_PROJECT.values(), ids=IN_THE_PROJECT)
@pytest.mark.usefixtures("serving")
def test_a_mistake_in_the_project_is_told_before_any_host_is_reached(project: Project, mistake: Mistake) -> None:
    run = make(project, mistake)
    assert_told(run, mistake.told)
    assert run.actions == {}
    assert not run.of("release")


@pytest.mark.parametrize("mistake", IN_WHAT_IT_MEETS.values(), ids=IN_WHAT_IT_MEETS)
@pytest.mark.usefixtures("serving")
def test_a_mistake_that_shows_on_the_way_is_told(project: Project, mistake: Mistake) -> None:
    assert_told(make(project, mistake), mistake.told)


def make(project: Project, mistake: Mistake) -> Run:
    """Deploys the commit that has the mistake, unless the mistake names a version."""
    mistake.make(project)
    project.commit(" ".join(mistake.told))
    try:
        return project.play("deploy", inventory=mistake.inventory, **mistake.variables)
    finally:
        (project.root / ".kamal/hooks/pre-deploy").unlink(missing_ok=True)


@contextmanager
def moved(host: Host, path: str) -> Iterator[None]:
    host.sh(f"mv {path} {path}.away")
    try:
        yield
    finally:
        host.sh(f"mv {path}.away {path}")


@contextmanager
def port_taken(host: Host, port: int) -> Iterator[None]:
    host.sh(f"docker run -d --name squatter -p {port}:{port} busybox:1.36 httpd -f -p {port}")
    try:
        yield
    finally:
        host.sh("docker rm -f squatter")


@contextmanager
def no_engine_and_no_sdk(host: Host, other: Host) -> Iterator[None]:
    with moved(host, "/run/docker.sock"), moved(other, "/usr/lib/python3/dist-packages/docker"):
        yield


Trouble = tuple[Callable[[Host, Host], AbstractContextManager[None]], dict[str, Any], tuple[str, ...]]
ON_A_HOST: dict[str, Trouble] = {
    "unreachable": (
        lambda host, _other: lost(host.name),
        {},
        ("worker1", "reach", "failed: worker1; unchanged: web1, web2 ("),
    ),
    "engine_not_running_and_sdk_missing_on_another": (
        no_engine_and_no_sdk,
        {},
        (
            *("worker1", "No Docker engine answers", "systemctl start docker), or install it with the playbook"),
            *("web2", "docker is missing", "python3-docker), or run the playbook caravan.kamal.setup"),
            "failed: web2, worker1; changed: web1 (",
        ),
    ),
    "port_taken": (
        lambda host, _other: port_taken(host, 80),
        {"servers": {"web": ["web1", "web2", "worker1"]}},
        ("worker1", "port", "80", BESIDE_THE_OTHERS),
    ),
    "user_without_a_login": (
        lambda _host, _other: nullcontext(),
        {"ssh": {"user": "nobody"}},
        ("web1", "nobody", "Permission denied", EVERYWHERE),
    ),
}


@pytest.mark.parametrize(("trouble", "changes", "told"), ON_A_HOST.values(), ids=ON_A_HOST)
@pytest.mark.usefixtures("serving")
def test_trouble_on_one_host_stops_all(
    project: Project, worker1: Host, web2: Host, trouble: Any, changes: dict[str, Any], told: tuple[str, ...]
) -> None:
    project.configure(changes)
    with trouble(worker1, web2):
        run = project.deploy("v1", kamal_build=False, kamal_force=True)
    assert_told(run, told)


@pytest.mark.usefixtures("serving")
def test_all_mistakes_are_told_at_once(project: Project) -> None:
    project.configure(
        {"readiness_delay": "soon", "proxy": {"app_prt": 80}, "retain_containers": -1, "servrs": ["web1"]}
    )
    run = project.deploy("v2")
    assert_told(run, ("config/deploy.yml:", "readiness_delay", "app_prt", "retain_containers", "servrs"))
    assert run.actions == {}
    assert not run.of("release")
