# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accessories without any deploy: booted with files and behind kamal-proxy, changed, given up, operated, removed."""

from __future__ import annotations

from typing import Any

import pytest
from hosts import Host, load
from load import Load
from project import Project, Run

SERVE = """sh -c 'trap "exit 0" TERM; echo serving; httpd -f -p 8080 -h /www & wait'"""
SITE = {
    "image": "busybox:1.36",
    "host": "worker1",
    "cmd": SERVE,
    "env": {"clear": {"GREETING": "hello"}, "secret": ["SITE_TOKEN"]},
    "files": [
        {"local": "config/index.html.erb", "remote": "/www/index.html", "mode": "0640", "owner": "1000:1000"},
        "config/page.j2:/www/page:ro",
        "config/plain.txt:/www/plain.txt",
    ],
    "directories": [{"local": "data", "remote": "/data", "mode": "0750", "owner": "1000:1000"}],
    "volumes": ["site-data:/more", "/unnamed"],
    "proxy": {"host": "site.example.com", "app_port": 8080, "healthcheck": {"path": "/page"}},
    "ready": "wget -q -O /dev/null http://localhost:8080/page",
    "ready_timeout": 30,
    "backup": "touch /data/backed-up",
}
WAIT = """sh -c 'trap "exit 0" TERM; sleep 100000 & wait'"""
STORE = {"image": "busybox:1.36", "host": "web2", "cmd": WAIT, "port": "127.0.0.1:8081:8080"}
CONFIG = {"accessories": {"site": SITE, "store": STORE}}


def ask(host: Host, path: str) -> tuple[int, str]:
    answer = host.ask(path, "site.example.com")
    return answer.status, answer.body.strip()


def requests_to(host: Host) -> Load:
    """None fails while it is replaced: they wait."""
    return load("/page", host="site.example.com", rate=5, url=host.url)


def inside(host: Host, command: str) -> str:
    return host.sh(f"docker exec hello-site {command}").strip()


def change(project: Project, **keys: Any) -> None:
    project.configure({"accessories": {"site": keys}})


@pytest.fixture(scope="module")
def booted(project: Project) -> Run:
    project.secrets(SITE_TOKEN="open-sesame")
    project.write("config/index.html.erb", '<%= ENV["GREETING"] %> <%= ENV["SITE_TOKEN"] %>\n')
    project.write("config/page.j2", "{{ kamal_env.GREETING }} on {{ inventory_hostname }}\n")
    project.write("config/plain.txt", "one\n")
    return project.play("accessory.boot", kamal_accessory="all")


def test_boot_gives_each_its_place(booted: Run, web1: Host, web2: Host, worker1: Host) -> None:
    assert booted.ok
    assert (web1.running, web2.running, worker1.running) == ([], ["hello-store"], ["hello-site"])
    assert "kamal-proxy" not in web2.sh("docker ps -a")
    assert not any(host.locked() for host in (web1, web2, worker1))


def test_files_have_their_content_their_mode_and_their_owner(booted: Run, worker1: Host) -> None:
    assert inside(worker1, "cat /www/index.html") == "hello open-sesame"
    assert inside(worker1, "cat /www/page") == "hello on worker1"
    assert inside(worker1, "stat -c '%a %u:%g' /www/index.html /data") == "640 1000:1000\n750 1000:1000"
    assert worker1.file("hello-site/www/index.html").exists
    writable = {mount["Destination"]: mount["RW"] for mount in worker1.inspect("hello-site")["Mounts"]}
    assert (writable["/www/page"], writable["/www/index.html"]) == (False, True)
    assert "open-sesame" not in booted.output


def test_it_answers_through_kamal_proxy(booted: Run, worker1: Host) -> None:
    assert ask(worker1, "/page") == (200, "hello on worker1")


def test_a_second_boot_changes_nothing(project: Project, hosts: list[Host]) -> None:
    before = [host.traces for host in hosts]
    again = project.play("accessory.boot", kamal_accessory="all")
    assert (again.code, again.actions, set(again.changed.values())) == (0, {}, {0})
    assert [host.traces for host in hosts] == before


def test_a_dry_run_shows_what_would_change(project: Project, worker1: Host) -> None:
    project.write("config/plain.txt", "two\n")
    change(project, env={"clear": {"GREETING": "welcome"}})
    before = worker1.traces
    run = project.play("accessory.boot", "--check", "--diff", kamal_accessory="site")
    assert run.ok
    for line in ("-hello-site/www/plain.txt[0]: one", "+hello-site/www/plain.txt[0]: two", "GREETING=welcome"):
        assert line in run.output
    assert "set anew" in run.output and "open-sesame" not in run.output
    assert worker1.traces == before


def test_what_changed_is_applied_after_a_backup(project: Project, worker1: Host) -> None:
    before = worker1.inspect("hello-site")["Id"]
    worker1.sh("docker exec hello-site touch /unnamed/kept")
    with requests_to(worker1) as requests:
        assert project.play("accessory.boot", kamal_accessory="site").ok
    assert requests.result["failed"] == 0, requests.result
    assert worker1.running == ["hello-site"] and worker1.inspect("hello-site")["Id"] != before
    assert inside(worker1, "ls /unnamed") == "kept"
    assert [ask(worker1, path) for path in ("/page", "/plain.txt")] == [(200, "welcome on worker1"), (200, "two")]
    assert worker1.file("hello-site/data/backed-up").exists
    elsewhere = "docker run --rm --network kamal busybox:1.36 wget -q -O - http://hello-site:8080/plain.txt"
    assert worker1.sh(elsewhere).strip() == "two"


def test_one_that_does_not_get_ready_is_given_up_and_the_old_one_comes_back(project: Project, worker1: Host) -> None:
    served = worker1.inspect("hello-site")["Id"]
    project.write("config/plain.txt", "three\n")
    change(project, ready="false", ready_timeout=1)
    with requests_to(worker1) as requests:
        run = project.play("accessory.boot", kamal_accessory="site")
    assert run.code != 0
    assert "failed: worker1; unchanged: web1 (" in run.output
    assert requests.result["failed"] == 0, requests.result
    told = " ".join(run.output.split())
    for words in (
        "hello-site did not get ready on worker1",
        "after ready_timeout (1 s)",
        "was there before runs again",
    ):
        assert words in told
    assert worker1.containers == {"hello-site": "running", "hello-site_failed": "exited"}
    assert worker1.inspect("hello-site")["Id"] == served
    assert ask(worker1, "/plain.txt") == (200, "two")
    assert not worker1.locked()


def test_it_is_operated_by_name(project: Project, worker1: Host) -> None:
    project.write("config/plain.txt", "two\n")
    change(project, ready=SITE["ready"], ready_timeout=30)
    chosen = {"kamal_logs_since": "1h", "kamal_logs_grep": "SERV", "kamal_logs_grep_options": "-i"}
    for playbook, asked, told in (("details", {}, "hello-site  running"), ("logs", chosen, "Z serving")):
        run = project.play(f"accessory.{playbook}", kamal_accessory="site", **asked)
        assert run.ok and told in run.output
    command = {"kamal_accessory": "site", "kamal_cmd": "sh -c 'cat /www/plain.txt; echo $GREETING, $EXTRA'"}
    for reuse in (True, False):
        run = project.play("accessory.exec", **command, kamal_reuse=reuse, kamal_cmd_env={"EXTRA": "x"})
        assert run.ok and "\ntwo\nwelcome, x\n" in run.output
    opened = project.play("accessory.exec", **command, kamal_interactive=True).output
    assert [line for line in opened.splitlines() if line.startswith("ssh -t ") and " worker1 " in line]
    for playbook, status in (("stop", 404), ("start", 200), ("restart", 200)):
        assert project.play(f"accessory.{playbook}", kamal_accessory="site").ok
        assert ask(worker1, "/page")[0] == status


def test_it_is_replaced_when_asked_for_and_upgraded_only_to_something_newer(project: Project, worker1: Host) -> None:
    """The lab's hosts may not reach Docker Hub: then it is told that nobody can say, and nothing changes either."""
    before = worker1.inspect("hello-site")["Id"]
    assert project.play("accessory.reboot", kamal_accessory="site").ok
    made = worker1.inspect("hello-site")["Id"]
    upgraded = project.play("accessory.upgrade", kamal_accessory="site")
    assert upgraded.ok or "could not ask the registry for busybox:1.36" in upgraded.output
    assert before != made == worker1.inspect("hello-site")["Id"]
    assert ask(worker1, "/page")[0] == 200 and not worker1.locked()


def test_one_that_is_not_there_is_told_with_those_that_are(project: Project) -> None:
    run = project.play("accessory.stop", kamal_accessory="shop")
    assert run.code != 0 and "there is no accessory shop; name one of site, store, or all" in run.output
    run = project.play("accessory.stop", "--limit", "web1", kamal_accessory="store")
    assert run.code != 0 and "store: on web2, none of which is among the hosts of this run" in run.output


def test_removing_it_keeps_its_data_unless_that_is_to_go(project: Project, web2: Host, worker1: Host) -> None:
    shown = project.play("accessory.remove", kamal_accessory="site")
    assert shown.code != 0 and "remove container hello-site" in shown.output and worker1.running == ["hello-site"]
    removed = project.play("accessory.remove", kamal_accessory="site", kamal_confirm=True)
    assert removed.ok and "The data of hello-site stays on worker1" in " ".join(removed.output.split())
    assert worker1.containers == {} and worker1.file("hello-site/data/backed-up").exists
    assert ask(worker1, "/page")[0] == 404
    everything = {"kamal_accessory": "all", "kamal_confirm": True, "kamal_accessory_data": "delete"}
    asked = project.play("accessory.remove", **everything)
    assert asked.code != 0 and "run this again with -e kamal_confirm_data=true" in " ".join(asked.output.split())
    assert worker1.file("hello-site/data/backed-up").exists
    assert project.play("accessory.remove", **everything, kamal_confirm_data=True).ok
    assert web2.containers == {} and "busybox" not in worker1.sh("docker images")
    assert not worker1.file("hello-site").exists and "site-data" not in worker1.sh("docker volume ls -q")
