# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""kamal-proxy itself: looked at, rebooted host by host under load, kept where that fails, and not removed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import docker
import lab_settings
import pytest
from hosts import Host, ask, load
from project import REGISTRY_PASSWORD, ROOT, Project, merged

CONFIG = {"servers": {"workers": None}}
PROXY, IMAGE = "kamal-proxy", "basecamp/kamal-proxy:v0.9.2"
ADDRESSES = {machine.name: machine.ip for machine in lab_settings.test_hosts(3)}
# Says to the lab's load balancer whether it has these hosts, and waits until the last worker that knew otherwise ended.
HOOK = """\
#!/bin/sh
set -e
workers() { docker top BALANCER -eo pid,args | awk '/nginx: worker/ { print $1 }'; }
before=$(workers)
for host in $(echo "$KAMAL_HOSTS" | tr , ' '); do
    case $host in
        web1) address=WEB1 ;;
        web2) address=WEB2 ;;
    esac
    docker exec BALANCER sed -i "s/server $address:80 .*;/server $address:80 STATE;/" /etc/nginx/conf.d/hosts.conf
done
docker exec BALANCER nginx -s reload
for worker in $before; do
    while workers | grep -qx "$worker"; do sleep 0.05; done
done
"""


def hook(state: str) -> str:
    words = {"BALANCER": lab_settings.LOAD_BALANCER.container, "STATE": state}
    words.update(WEB1=ADDRESSES["web1"], WEB2=ADDRESSES["web2"])
    text = HOOK
    for word, value in words.items():
        text = text.replace(word, value)
    return text


@pytest.fixture(scope="module", autouse=True)
def _image_in_the_registry(live: str, web1: Host, web2: Host) -> Iterator[None]:
    """The registry has the image of kamal-proxy too; hosts that still knew it by that name could not be made blank."""
    engine = docker.from_env()
    engine.images.get(IMAGE).tag(f"registry:4443/{IMAGE}")
    login = {"username": "caravan", "password": REGISTRY_PASSWORD.read_text().strip()}
    engine.images.push(f"registry:4443/{IMAGE}", auth_config=login)
    engine.images.remove(f"registry:4443/{IMAGE}")
    yield
    for host in (web1, web2):
        host.sh(f"docker rmi -f registry:4443/{IMAGE} || true")


def flat(text: str) -> str:
    return " ".join(text.split())


def test_details_show_it_with_its_routes(project: Project, live: str) -> None:
    run = project.play("proxy.details")
    assert run.ok
    for host in ("web1", "web2"):
        assert f"{host} hello-web hello.example.com - running hello-web-{live}:80" in flat(run.output)
    assert "Not as it would be" not in run.output


def test_a_boot_of_what_runs_changes_nothing(project: Project, web1: Host, web2: Host) -> None:
    before = [host.traces for host in (web1, web2)]
    run = project.play("proxy.boot")
    assert run.ok
    assert set(run.changed.values()) == {0}
    assert [host.traces for host in (web1, web2)] == before


def test_a_reboot_without_a_confirmation_says_what_it_would_do(project: Project, web1: Host, web2: Host) -> None:
    before = [host.traces for host in (web1, web2)]
    run = project.play("proxy.reboot")
    assert run.code != 0
    assert "reboot kamal-proxy" in run.output
    assert "run this again with -e kamal_confirm=true" in flat(run.output)
    assert [host.traces for host in (web1, web2)] == before


def test_a_reboot_goes_host_by_host_and_loses_no_request(project: Project, web1: Host, web2: Host, live: str) -> None:
    """The hooks drain each host: the lab's load balancer never tries a request twice. The image is of a registry."""
    project.configure({"proxy": {"run": {"registry": "registry:4443"}}})
    project.write_executable(".kamal/hooks/pre-proxy-reboot", hook("down"))
    project.write_executable(".kamal/hooks/post-proxy-reboot", hook("max_fails=0"))
    before = {host.name: host.inspect(PROXY)["Id"] for host in (web1, web2)}
    with load() as requests, load(path="/cgi-bin/slow?seconds=2", rate=5) as slow_requests:
        run = project.play("proxy.reboot", kamal_confirm=True)
    assert run.ok
    for result in (requests.result, slow_requests.result):
        assert result["failed"] == 0, result
        assert result["statuses"].keys() == {"200"}
    for host in (web1, web2):
        assert "reboot kamal-proxy" in run.actions[host.name]
        assert host.inspect(PROXY)["Id"] != before[host.name]
        assert host.inspect(PROXY)["Config"]["Image"] == f"registry:4443/{IMAGE}"
        assert host.ask().version == live
        assert any("Rebooted proxy" in line for line in host.audit())
        assert not host.locked()
    assert web1.started(PROXY) < web2.started(PROXY)


def test_settings_that_cannot_be_had_on_the_second_host_leave_its_proxy_as_it_was(
    project: Project, web1: Host, web2: Host, live: str
) -> None:
    web2.sh(f"docker run -d --name squatter -p 8081:80 --entrypoint kamal-proxy {IMAGE} run")
    try:
        project.configure({"proxy": {"run": {"options": {"publish": "8081:80"}}}})
        before = web2.inspect(PROXY)["Id"]
        run = project.play("proxy.reboot", kamal_confirm=True, kamal_skip_hooks=True)
        assert run.code != 0
        assert list(run.failures) == ["web2"]
        assert "kamal-proxy cannot listen on this host" in run.output
        assert "failed: web2; changed: web1 (" in run.output
        assert web2.inspect(PROXY)["Id"] == before
        assert "8081" in str(web1.inspect(PROXY)["HostConfig"]["PortBindings"])
        assert {ask().version for _number in range(4)} == {live}
        assert not web1.locked()
        assert "_" not in web2.sh("docker ps -a --format '{{.Names}}' | grep kamal-proxy")
    finally:
        web2.sh("docker rm -f squatter")
        project.configure({"proxy": {"run": None}})


def test_every_option_of_this_kamal_proxy_is_in_the_table(web1: Host) -> None:
    """The unit tests hold the table against the same text."""
    told = web1.sh("docker exec kamal-proxy kamal-proxy deploy --help")
    kept = (ROOT / "tests/unit/data/kamal_proxy_deploy_help.txt").read_text()
    assert re.findall(r"--[a-z-]+", told) == re.findall(r"--[a-z-]+", kept)


def test_one_that_routes_an_app_is_not_removed(project: Project, web1: Host, live: str) -> None:
    run = project.play("proxy.remove", kamal_confirm=True)
    assert run.code != 0
    assert "still routes hello-web" in flat(run.output)
    assert web1.ask().version == live


def test_logs_have_its_requests(project: Project, web1: Host) -> None:
    web1.ask("/assets/release.txt")
    wanted = {"kamal_logs_grep": "release.txt|SERVER STARTED", "kamal_logs_grep_options": "-i -E"}
    run = project.play("proxy.logs", **wanted, kamal_logs_since="1h")
    assert run.ok
    assert '"path":"/assets/release.txt"' in run.output
    assert all(f"{host} kamal-proxy" in run.output for host in ("web1", "web2"))
    assert '"msg":"Server started"' in run.output


def test_stopped_and_started_it_serves_again(project: Project, web1: Host, web2: Host, live: str) -> None:
    assert project.play("proxy.stop", "--limit", "web2").actions == {"web2": ["stop kamal-proxy"]}
    assert web1.ask().version == live
    assert web2.inspect(PROXY)["State"]["Status"] == "exited"
    assert project.play("proxy.start").actions == {"web2": ["start kamal-proxy"]}
    assert web2.ask().version == live
    web2.sh("docker stop kamal-proxy")
    assert project.play("proxy.boot").actions == {"web2": ["start kamal-proxy"]}
    assert web2.ask().version == live
    assert project.play("proxy.restart").actions == {host: ["restart kamal-proxy"] for host in ("web1", "web2")}
    assert web1.started(PROXY) < web2.started(PROXY)
    assert [host.ask().version for host in (web1, web2)] == [live, live]


def test_what_kamal_left_on_a_host_counts_until_it_is_said_in_the_configuration(project: Project, web2: Host) -> None:
    web2.sh(f"echo 'kamal-proxy run --debug' > {web2.home}/.kamal/proxy/run_command")
    shown = project.play("proxy.boot_config")
    assert "run_command: kamal-proxy run --debug" in shown.output
    assert "debug: true" in shown.output
    for moment in ("pre", "post"):
        project.write_executable(
            f".kamal/hooks/{moment}-proxy-reboot", f"#!/bin/sh\necho {moment} $KAMAL_HOSTS >> rebooted\n"
        )
    run = project.play("proxy.reboot", kamal_confirm=True, kamal_proxy_rolling=False)
    assert run.ok and (project.root / "rebooted").read_text() == "pre web1,web2\npost web1,web2\n"
    assert web2.inspect(PROXY)["Config"]["Cmd"] == ["kamal-proxy", "run", "--debug"]
    assert project.play("proxy.boot_config", kamal_proxy_boot_config="reset").actions == {
        "web2": ["remove .kamal/proxy/run_command"]
    }


def test_two_apps_that_ask_for_different_settings_are_both_named(project: Project) -> None:
    other = {**CONFIG, "service": "other", "image": "stories/other", "proxy": {"host": "other.example.com"}}
    project.configure({"proxy": {"run": {"debug": True}}})
    assert project.play("proxy.boot").ok
    run = Project("other", merged(other, {"proxy": {"run": {"debug": False}}})).play("proxy.boot", "--limit", "web2")
    assert run.code != 0
    assert "debug is false for other and true for hello" in flat(run.output)
