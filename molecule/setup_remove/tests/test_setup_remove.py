# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service from init to remove, with an accessory, all of it as a user who is not root."""

from __future__ import annotations

import json
from collections.abc import Iterator

import lab
import pytest
from hosts import Host, ask
from project import Project, Run

STORE = {
    "image": "busybox:1.36",
    "host": "worker1",
    "cmd": "sh -c 'trap exit TERM; while true; do sleep 0.1; done'",
    "env": {"clear": {"SIZE": "small"}, "secret": ["STORE_PASSWORD"]},
    "volumes": ["store-data:/data"],
}
CONFIG = {"ssh": {"user": "deploy"}, "accessories": {"store": STORE}}
HOME = "/home/deploy"


@pytest.fixture(scope="module")
def web1() -> Host:
    return Host("web1", HOME)


@pytest.fixture(scope="module")
def web2() -> Host:
    return Host("web2", HOME)


@pytest.fixture(scope="module")
def worker1() -> Iterator[Host]:
    """A host on which the user may not talk to Docker yet; a connection that is open from before still could."""
    host = Host("worker1", HOME)
    host.sh("gpasswd -d deploy docker; pkill -u deploy || true")
    yield host
    host.sh("usermod -aG docker deploy")


@pytest.fixture(scope="module")
def hosts(web1: Host, web2: Host, worker1: Host) -> list[Host]:
    return [web1, web2, worker1]


@pytest.fixture(scope="module")
def ready(project: Project, hosts: list[Host]) -> Run:
    """The first thing that is run."""
    project.secrets(REGISTRY_PASSWORD="$LAB_REGISTRY_PASSWORD", STORE_PASSWORD="open-sesame")
    return project.play("setup", kamal_version="v1")


def test_init_writes_what_is_missing_and_keeps_what_is_there(project: Project) -> None:
    (project.root / "ansible.cfg").unlink()
    kept = (project.root / "config/deploy.yml").read_text()
    run = project.play("init", inventory="")
    assert run.ok and "What comes next:" in run.output
    assert "caravan.kamal.deploy" in (project.root / "ansible.cfg").read_text()
    assert (project.root / "config/deploy.yml").read_text() == kept
    assert (project.root / ".gitignore").read_text().splitlines() == [".kamal/secrets*"]


def test_config_shows_what_was_understood(project: Project) -> None:
    """All that Kamal's own test compares."""
    run = project.play("config", kamal_version="v1", kamal_format="json")
    assert run.ok
    shown, _end = json.JSONDecoder().raw_decode(run.output[run.output.index("{\n") :])
    expected = {
        "roles": {"web": ["web1", "web2"], "workers": ["worker1"]},
        "accessories": {"store": ["worker1"]},
        "hosts": ["web1", "web2", "worker1"],
        "primary_host": "web1",
        "version": "v1",
        "repository": "registry:4443/stories/hello",
        "absolute_image": "registry:4443/stories/hello:v1",
        "service_with_version": "hello@v1",
        "volumes": [],
        "logging": {"driver": None, "options": {"max-size": "10m"}},
    }
    assert {name: shown[name] for name in expected} == expected
    assert shown["ssh"]["ansible_user"] == "deploy" and shown["builder"]["dockerfile"] == "Dockerfile"
    assert shown["config"]["proxy"]["host"] == "hello.example.com"


def test_what_reaches_no_host_needs_none(project: Project) -> None:
    run = project.play("version", then=["docs", "secrets.print"], inventory="", kamal_docs_section="boot")
    version, explained, printed = run.parts
    assert run.ok and "\ncaravan.kamal " in version and ", run by ansible-core " in version
    assert "\nwait: 10\n" in explained
    assert f"REGISTRY_PASSWORD=[REDACTED]  ({project.root}/.kamal/secrets:1)" in printed


def test_setup_makes_the_hosts_ready_and_deploys(ready: Run, hosts: list[Host], worker1: Host) -> None:
    assert ready.ok
    assert {ask().version for _number in range(4)} == {"v1"}
    assert worker1.running == ["hello-store", "hello-workers-v1"]
    assert "docker" in worker1.sh("id -nG deploy").split()
    assert not any(host.locked() for host in hosts)


def test_one_lock_covers_all_of_a_setup(ready: Run) -> None:
    answers = [answer["msg"] for answer in ready.of("lock")]
    assert (answers[0], answers[-1]) == ("acquired", "released")
    assert set(answers[1:-1]) == {"renewed"}


def test_everything_is_in_the_users_home(hosts: list[Host], web1: Host) -> None:
    for host in hosts:
        assert not host.file("/root/.kamal").exists
        assert host.file(".kamal").user == "deploy"
    env_file = web1.file(".kamal/apps/hello/env/roles/web.env")
    assert (env_file.mode, env_file.user) == (0o600, "deploy")


def test_the_accessory_has_its_values_and_its_volume(worker1: Host, ready: Run) -> None:
    environment = worker1.environment("hello-store")
    assert environment["STORE_PASSWORD"] == "open-sesame"
    assert environment["SIZE"] == "small"
    assert worker1.inspect("hello-store")["Mounts"][0]["Name"] == "store-data"
    assert worker1.file(".kamal/apps/hello/env/accessories/store.env").mode == 0o600
    assert "open-sesame" not in ready.output


def test_a_second_setup_changes_nothing(project: Project, hosts: list[Host]) -> None:
    before = [host.traces for host in hosts]
    again = project.play("setup", then=["server.bootstrap"], kamal_version="v1")
    assert again.ok and len(again.parts) == 2
    assert again.actions == {}
    assert set(again.changed.values()) == {0}
    assert [host.traces for host in hosts] == before


def test_a_deploy_never_touches_an_accessory(project: Project, worker1: Host) -> None:
    project.commit("second")
    project.configure({"accessories": {"store": {"env": {"clear": {"SIZE": "large"}}}}})
    before = worker1.started("hello-store")
    assert project.deploy("v2").ok
    assert worker1.running == ["hello-store", "hello-workers-v2"]
    assert worker1.started("hello-store") == before


def test_a_user_who_becomes_root_keeps_everything_at_home(project: Project, hosts: list[Host]) -> None:
    for host in hosts:
        host.sh("echo root:in-the-lab | chpasswd")
    become = {"ansible_become": True, "ansible_become_method": "su", "ansible_become_password": "in-the-lab"}
    before = [host.traces for host in hosts]
    run = project.deploy("v2", kamal_build=False, **become)
    assert run.ok and run.actions == {}
    assert [host.traces for host in hosts] == before
    for host in hosts:
        assert not host.file("/root/.kamal").exists
        assert host.file(".kamal/turn-hello").user == "deploy"


def test_details_tell_what_runs_where_and_the_audit_what_was_done(project: Project) -> None:
    run = project.play("details", then=["audit"])
    assert run.ok
    details, audit = run.parts
    for told in ("web1", "web2", "worker1", "v2", "hello.example.com", "kamal-proxy", "hello-store"):
        assert told in details
    proxies = [line.split()[:2] for line in details.splitlines() if "basecamp/kamal-proxy:v" in line]
    assert proxies == [["web1", "running"], ["web2", "running"]]
    assert audit.count("Booted app version v2") == 3


def test_logs_can_be_read_by_role_and_searched(project: Project) -> None:
    run = project.play("logs", kamal_roles="workers", kamal_logs_grep="works", kamal_logs_lines=3)
    assert run.ok
    assert "worker v2 works" in run.output
    assert "listens on port" not in run.output


def test_a_lock_taken_by_hand_stops_a_deploy_and_names_its_holder(project: Project, hosts: list[Host]) -> None:
    acquired = project.play("lock.acquire", then=["lock.status"], kamal_lock_message="moving the database")
    status = acquired.parts[1]
    assert "Locked by: Ada at " in status
    assert f"Version: {project.head}\nMessage: moving the database\n" in status
    assert "Expires" not in status
    before = [host.traces for host in hosts]
    run = project.deploy("v3", kamal_lock_wait=600)
    assert run.code != 0
    assert "waits for up to" not in run.output, "it waited for a lock that lasts"
    for words in ("moving the database", "caravan.kamal.lock.release"):
        assert words in " ".join(run.output.split())
    assert run.output.count("moving the database") == 1
    assert "Not released" not in run.output
    assert [host.traces for host in hosts] == before
    assert "There is no deploy lock" in project.play("lock.release", then=["lock.status"]).parts[1]
    assert not any(host.locked() for host in hosts)


def test_remove_only_shows_what_would_go(project: Project, hosts: list[Host]) -> None:
    before = [host.traces for host in hosts]
    run = project.play("remove")
    assert run.code != 0
    for told in ("hello-web-v2", "hello-store", "kamal_confirm=true"):
        assert told in run.output
    assert [host.traces for host in hosts] == before


def test_remove_leaves_data_and_the_audit_log_only(project: Project, hosts: list[Host], worker1: Host) -> None:
    worker1.sh(f"docker tag {STORE['image']} kept:1")  # for the test after this one: no registry here has it
    before = [host.traces for host in hosts]
    foreseen = project.play("remove", "--check")
    assert foreseen.ok and [host.traces for host in hosts] == before
    done = project.play("remove", kamal_confirm=True)
    assert done.ok
    for host, actions in foreseen.actions.items():
        assert "remove kamal-proxy" in actions or host == "worker1"
        # It has shown them before, all but kamal-proxy, and then done them.
        assert done.actions[host][-len(actions) :] == actions
    for host in hosts:
        assert host.containers == {}
        assert "kamal-proxy" not in host.sh("docker ps -a")
        assert "stories/hello" not in host.sh("docker images")
        assert not host.file(".kamal/apps/hello").exists
        assert not host.locked()
        assert any("Removed app" in line for line in host.audit())
    assert "store-data" in worker1.sh("docker volume ls -q")
    assert ask().status == 502


def test_removing_it_again_is_no_error(project: Project) -> None:
    assert project.play("remove", kamal_confirm=True).ok


def test_setup_of_one_host_starts_its_accessories_as_its_dry_run_foretold(
    project: Project, hosts: list[Host], worker1: Host
) -> None:
    lab.load_image(STORE["image"], ["worker1"])  # it went with the accessory, and no host of the lab reaches Docker Hub
    worker1.sh(f"docker tag kept:1 {STORE['image']}; docker rmi kept:1")
    project.configure({"servers": {"workers": None}})
    before = [host.traces for host in hosts]
    foreseen = project.play("setup", "--check", kamal_version="v2")
    assert foreseen.ok and [host.traces for host in hosts] == before
    done = project.play("setup", "--limit", "worker1", kamal_version="v2")
    assert done.ok
    assert done.actions == {"worker1": foreseen.actions["worker1"]}
    assert worker1.running == ["hello-store"]
    assert [host.traces for host in hosts[:2]] == before[:2]
    assert not any(host.locked() for host in hosts)


def test_data_goes_only_with_a_second_confirmation(project: Project, worker1: Host) -> None:
    wanted = {"kamal_confirm": True, "kamal_accessory_data": "delete"}
    asked = project.play("remove", **wanted)
    assert asked.code != 0 and "run this again with -e kamal_confirm_data=true" in " ".join(asked.output.split())
    assert "remove volume store-data" in asked.output and worker1.running == ["hello-store"]
    assert project.play("remove", **wanted, kamal_confirm_data=True).ok
    assert worker1.containers == {} and "store-data" not in worker1.sh("docker volume ls -q")


def test_setup_starts_what_stands_before_a_kamal_proxy_without_ports(project: Project, web1: Host) -> None:
    """Kamal's own test has Traefik there."""
    options = {"label": ["front.rule=PathPrefix(`/`)", "front.priority=2"], "sysctl": "net.core.somaxconn=512"}
    pass_on = "sh -c 'nc -ll -p 8080 -e nc kamal-proxy 80 || nc -lk -p 8080 -e nc kamal-proxy 80'"
    front = {"image": STORE["image"], "roles": ["web"], "port": "80:8080", "cmd": pass_on, "labels": {"front": "on"}}
    project.configure({"accessories": {"store": None, "front": front}, "servers": {"web": ["web1"]}})
    project.configure({"proxy": {"run": {"publish": False, "options": options}}})
    assert project.play("setup", kamal_version="v2", kamal_build=False).ok
    made = web1.inspect("kamal-proxy")
    assert made["HostConfig"]["PortBindings"] in (None, {})
    assert made["HostConfig"]["Sysctls"] == {"net.core.somaxconn": "512"}
    assert made["Config"]["Labels"]["front.rule"] == "PathPrefix(`/`)"
    assert web1.inspect("hello-front")["Config"]["Labels"]["front"] == "on"
    assert web1.ask().version == "v2"
