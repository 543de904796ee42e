# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The samples of hooks do what they say, with sh, curl, git and Python alone, against servers that answer in memory."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.rules_sections import HOOKS

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "playbooks" / "templates" / "hooks"
ENDING = ".sample.j2"
TOLD = {
    "KAMAL_VERSION": "abc123",
    "KAMAL_SERVICE_VERSION": "hello@abc123",
    "KAMAL_PERFORMER": 'Ada "the first"',
    "KAMAL_COMMAND": "deploy",
    "KAMAL_HOSTS": "web1,web2",
    "KAMAL_RUNTIME": "7",
    "KAMAL_ERROR": "it broke",
    "KAMAL_FAILED_HOSTS": "web2",
}


def run(name: str, folder: Path = ROOT, **environment: str) -> tuple[int, str]:
    with tempfile.TemporaryDirectory() as place:
        done = _run(written(name, Path(place)), folder, environment)
    return done.returncode, done.stdout + done.stderr


def written(name: str, place: Path) -> Path:
    """The sample as init writes it."""
    file = place / name
    file.write_text(jinja2.Template((TEMPLATES / f"{name}{ENDING}").read_text(), keep_trailing_newline=True).render())
    file.chmod(0o755)
    return file


def _run(file: Path, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(file)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "no_proxy": "*", **TOLD, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@contextmanager
def serving(server: Any) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield "{}:{}".format(*server.server_address[:2])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def web(answer: Callable[[str, Any, Any], tuple[int, Any]]) -> ThreadingHTTPServer:
    """`answer` gets path, headers and body, and gives a status and what the body is to be as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answered = answer(self.path, self.headers, json.loads(body or "null"))
            text = json.dumps(answered).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET

        def log_message(self, *_arguments: Any) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def test_each_is_of_a_hook_and_is_written_by_init_as_it_stands(tmp_path: Path) -> None:
    names = {file.name[: -len(ENDING)] for file in TEMPLATES.iterdir()}
    assert names <= set(HOOKS)
    (play,) = yaml.safe_load((ROOT / "playbooks" / "init.yml").read_text())
    assert {
        name for task in play["tasks"] if task["name"].startswith("Write samples") for name in task["loop"]
    } == names
    for name in names:
        text = (TEMPLATES / f"{name}{ENDING}").read_text().replace("{{ '#!' }}", "#!", 1)
        assert written(name, tmp_path).read_text() == text
        assert text.startswith(("#!/bin/sh\n", "#!/usr/bin/env python3\n"))


# CI


class Github:
    """Each time that it is asked, the checks of the commit have got on."""

    def __init__(self, *checks: dict[str, Any], statuses: dict[str, str] | None = None) -> None:
        self.checks, self.statuses, self.asked = list(checks), statuses or {}, []  # type: ignore[var-annotated]

    def __call__(self, path: str, headers: Any, _body: Any) -> tuple[int, Any]:
        self.asked.append((path, headers["Authorization"]))
        if path.endswith("/status"):
            return 200, {"statuses": [{"context": name, "state": state} for name, state in self.statuses.items()]}
        checks = self.checks.pop(0) if len(self.checks) > 1 else self.checks[0]
        return 200, {"check_runs": [{"name": name, "conclusion": state} for name, state in checks.items()]}


@pytest.mark.parametrize(
    ("github", "variables", "code", "said"),
    [
        (Github({"test": "success", "docs": "skipped"}), {}, 0, "CI has passed abc123: docs, test"),
        (Github({}, {"test": None}, {"test": "success"}), {}, 0, "Waiting for CI: test\nCI has passed abc123: test"),
        (Github({"test": "success", "lint": "failure"}), {}, 1, "CI has not passed abc123: lint"),
        (Github({"test": "success"}, statuses={"old-ci": "error"}), {}, 1, "CI has not passed abc123: old-ci"),
        (Github({}, statuses={"old-ci": "success"}), {}, 0, "CI has passed abc123: old-ci"),
        (Github({"test": None}), {"CI_SECONDS": "0"}, 1, "CI did not come to an end in time: test"),
        (Github({}), {"CI_SECONDS": "0"}, 1, "it knows nothing of abc123"),
        (Github({"test": "failure"}), {"KAMAL_COMMAND": "rollback"}, 0, "has passed before"),
    ],
    ids=["passed", "waits", "failed", "a status failed", "a status passed", "too slow", "unknown", "rollback"],
)
def test_a_deploy_waits_for_ci(github: Github, variables: dict[str, str], code: int, said: str, tmp_path: Path) -> None:
    with serving(web(github)) as address:
        given = {"GITHUB_REPOSITORY": "acme/hello", "GITHUB_TOKEN": "t0ken", "CI_PAUSE": "0.01", **variables}
        ended, output = run("pre-deploy", tmp_path, GITHUB_API_URL=f"http://{address}", **given)
    assert (ended, said in output) == (code, True), output
    assert {authorization for _path, authorization in github.asked} <= {"Bearer t0ken"}


def test_the_repository_is_that_of_origin(tmp_path: Path) -> None:
    github = Github({"test": "success"})
    for command in (["init", "-q"], ["remote", "add", "origin", "git@github.com:acme/hello.git"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    with serving(web(github)) as address:
        code, output = run("pre-deploy", tmp_path, GITHUB_API_URL=f"http://{address}", GITHUB_TOKEN="t")
    assert code == 0, output
    assert github.asked[0][0].startswith("/repos/acme/hello/commits/abc123/check-runs")


# Chat


@pytest.mark.parametrize(
    ("name", "variables", "text"),
    [
        ("post-deploy", {}, 'Ada "the first": deploy of hello@abc123 on web1,web2 took 7 s'),
        (
            "post-deploy",
            {"KAMAL_DESTINATION": "staging"},
            'Ada "the first": deploy of hello@abc123 to staging on web1,web2 took 7 s',
        ),
        ("on-failure", {}, 'Ada "the first": deploy of hello@abc123 failed on web2:\nit broke'),
        (
            "on-failure",
            {"KAMAL_FAILED_HOSTS": ""},
            'Ada "the first": deploy of hello@abc123 failed on the controller:\nit broke',
        ),
    ],
)
def test_a_chat_is_told(name: str, variables: dict[str, str], text: str) -> None:
    heard: list[tuple[str, Any]] = []
    with serving(web(lambda path, _headers, body: (200, heard.append((path, body))))) as address:
        code, output = run(name, CHAT_URL=f"http://{address}/hook/s3cret", **variables)
    assert code == 0, output
    assert heard == [("/hook/s3cret", {"text": text})]
    assert "s3cret" not in output


@pytest.mark.parametrize("name", ["post-deploy", "on-failure"])
def test_a_chat_that_refuses_is_an_error(name: str) -> None:
    with serving(web(lambda _path, _headers, _body: (500, "no"))) as address:
        code, _output = run(name, CHAT_URL=f"http://{address}/")
    assert code != 0


# The load balancer


class Balancer(socketserver.ThreadingTCPServer):
    """HAProxy's runtime API: a line, an answer, the end. Sessions end one by one, each time that it is asked."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, servers: dict[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.servers, self.commands = servers, []  # type: ignore[var-annotated]

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            command = self.rfile.readline().decode().strip()
            self.wfile.write(self.server.answer(command).encode())  # type: ignore[attr-defined]

    def answer(self, command: str) -> str:
        self.commands.append(command)
        if command == "show stat":
            rows = [f"app,{name},0,{sessions}," for name, sessions in self.servers.items()]
            self.servers.update({name: max(0, sessions - 1) for name, sessions in self.servers.items()})
            return "\n".join(["# pxname,svname,qcur,scur,", "app,BACKEND,0,9,", *rows, ""])
        name = command.split()[2].partition("/")[2]
        return "\n" if name in self.servers else "No such server.\n"


def test_hosts_are_taken_out_of_the_load_balancer_and_given_back() -> None:
    balancer = Balancer({"web1": 2, "web2": 0, "web3": 5})
    with serving(balancer) as address:
        out = run("pre-app-boot", HAPROXY=address)
        assert [command for command in balancer.commands if command != "show stat"] == [
            "set server app/web1 state drain",
            "set server app/web2 state drain",
        ]
        assert balancer.servers["web1"] == 0
        balancer.commands.clear()
        back = run("post-app-boot", HAPROXY=address)
    assert (out[0], back[0]) == (0, 0), out[1] + back[1]
    assert balancer.commands == ["set server app/web1 state ready", "set server app/web2 state ready"]


@pytest.mark.parametrize("name", ["pre-app-boot", "post-app-boot"])
def test_a_server_that_the_load_balancer_does_not_know_is_an_error(name: str) -> None:
    with serving(Balancer({"web1": 0})) as address:
        code, output = run(name, HAPROXY=address)
    assert code == 1 and "No such server." in output


# The commit


def test_only_what_was_pushed_is_built(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path / "p", check=True)

    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "remote")], check=True)
    (tmp_path / "p").mkdir()
    git("init", "-q", "-b", "main")
    git("remote", "add", "origin", str(tmp_path / "remote"))
    git("commit", "-q", "--allow-empty", "-m", "one")
    git("push", "-q", "origin", "main")
    assert run("pre-build", tmp_path / "p")[0] == 0
    git("commit", "-q", "--allow-empty", "-m", "two")
    code, output = run("pre-build", tmp_path / "p")
    assert code == 1 and "is not on main of origin yet: git push origin main" in output
    git("push", "-q", "origin", "main")
    (tmp_path / "p" / "new").touch()
    code, output = run("pre-build", tmp_path / "p")
    assert code == 1 and "changes without a commit" in output
    (tmp_path / "p" / "new").unlink()
    git("checkout", "-q", "--detach", "HEAD^")
    assert run("pre-build", tmp_path / "p") == (0, "")
    git("commit", "-q", "--allow-empty", "-m", "three")
    code, output = run("pre-build", tmp_path / "p")
    assert code == 1 and "is on no branch of origin yet: push it" in output
