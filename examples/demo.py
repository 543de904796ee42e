# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deploys the example app to this machine with the shipped playbooks: v1, v2 while requests come in, back to v1."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import docker

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "lab"))
from load import Load

EXAMPLE = ROOT / "examples" / "hello"
PROJECT = ROOT / ".cache" / "demo" / "hello"
HOST = "hello.localhost"
TOOLS = ("engine.sh", "kamal_proxy_image.sh", "app_base.sh")
PROXY = "kamal-proxy"
RATE = 100


class Failed(Exception):
    """A step of the demo did not work; the message holds all that it printed."""


def say(text: str) -> None:
    print(text, flush=True)


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=PROJECT if PROJECT.exists() else ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(command)}\n\n{done.stdout}")
    return done.stdout


def prepare() -> None:
    for tool in TOOLS:
        subprocess.run([ROOT / "tools" / tool], check=True, stdin=subprocess.DEVNULL)


def make_project() -> None:
    """A project folder as a user has it: the app in a git repository, with its config/deploy.yml."""
    shutil.rmtree(PROJECT, ignore_errors=True)
    shutil.copytree(EXAMPLE, PROJECT)
    run("git", "init", "-q", "-b", "main")
    playbook("init", {})
    commit("v1")


def commit(text: str) -> None:
    run("git", "add", "-A")
    run("git", "-c", "user.name=Demo", "-c", "user.email=demo@localhost", "commit", "-q", "--allow-empty", "-m", text)


def release_v2() -> None:
    page = PROJECT / "www" / "assets" / "hello.css"
    page.write_text(page.read_text() + "/* v2 */\n")
    commit("v2")


def ports() -> dict[str, str]:
    """Where kamal-proxy listens, or will: on 80 and 443 if nothing else does."""
    found = published()
    http, https = found or (free(80), free(443))
    return {"HELLO_HTTP_PORT": str(http), "HELLO_HTTPS_PORT": str(https)}


def published() -> tuple[int, int] | None:
    try:
        bindings = docker.from_env().containers.get(PROXY).attrs["HostConfig"]["PortBindings"]
        return int(bindings["80/tcp"][0]["HostPort"]), int(bindings["443/tcp"][0]["HostPort"])
    except (docker.errors.NotFound, KeyError, TypeError):
        return None


def free(port: int) -> int:
    """`port` if nobody listens there, else any that is free."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)):
            return port
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        return int(other.getsockname()[1])


def playbook(name: str, environment: dict[str, str], *arguments: str) -> None:
    inventory = () if name == "init" else ("-i", "config/deploy.yml")
    command = ("ansible-playbook", *inventory, f"caravan.kamal.{name}", *arguments)
    say(f"$ {' '.join(command)}")
    began = time.monotonic()
    run(*command, **environment)
    say(f"  done in {time.monotonic() - began:.1f} s")


def served(url: str) -> str:
    with Load(url, host=HOST, rate=20, concurrency=1, seconds=0.2) as load:
        load.wait()
    return ", ".join(load.result["versions"]) or f"nothing ({load.result['statuses']})"


def show(url: str) -> None:
    say(f"  http://{HOST} answers with {served(url)}\n")


def demo() -> None:
    prepare()
    environment = ports()
    url = f"http://127.0.0.1:{environment['HELLO_HTTP_PORT']}/"
    say(f"\nA project with the example app, in {PROJECT.relative_to(ROOT)}:")
    make_project()
    say("\nThe first version:")
    playbook("deploy", environment, "-e", "kamal_version=v1")
    show(url)
    release_v2()
    with Load(url, host=HOST, rate=RATE) as load:
        say(f"The second version, and back, while {RATE} requests come in every second:")
        playbook("deploy", environment, "-e", "kamal_version=v2")
        show(url)
        playbook("rollback", environment)
        show(url)
    conclude(load.result, url)


def conclude(result: dict, url: str) -> None:
    answers = ", ".join(f"{count} by {version}" for version, count in sorted(result["versions"].items()))
    say(f"{result['failed']} requests failed of {result['requests']} ({answers}).")
    say(f"Look at it:  curl -H 'Host: {HOST}' {url}")
    say("Remove it:   make demo-clean")
    if result["failed"]:
        raise Failed("\n".join(result["errors"]))


def clean() -> None:
    if PROJECT.exists():
        playbook("remove", ports(), "-e", "kamal_confirm=true")
        shutil.rmtree(PROJECT.parent)
    say("The demo is gone. What the next one needs is still there: Docker, its network kamal, and the images.")


def main() -> int:
    try:
        clean() if sys.argv[1:] == ["clean"] else demo()
    except (Failed, subprocess.CalledProcessError) as error:
        say(f"The demo stopped.\n{error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
