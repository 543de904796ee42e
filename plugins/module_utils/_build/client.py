# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The docker command of this host: what it can build, which login it has, and how it is run."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .._errors import BuildError
from .handed import Handed, open_hand

CONFIG = "config.json"
# By what it can do: build with the engine's own builder only, with the engine's BuildKit, or with the plugin buildx.
ENGINE, BUILDKIT, BUILDX = range(3)
# Since 23.0 the docker command has BuildKit from buildx alone.
VERSION = re.compile(r"Docker version (\d+)\.(\d+)")
INSTALL = "Install it: on Debian and Ubuntu docker-buildx, in Docker's own packages docker-buildx-plugin."
OWN_BUILDKIT = ((18, 9), (23, 0))


def means() -> int:
    """What the docker command of this host, if there is one, can build with."""
    if shutil.which("docker") is None:
        return ENGINE
    if _answer("docker", "buildx", "version") is not None:
        return BUILDX
    version = VERSION.match(_answer("docker", "--version") or "")
    first, last = OWN_BUILDKIT
    return BUILDKIT if version and first <= (int(version[1]), int(version[2])) < last else ENGINE


def _answer(*argv: str) -> Optional[str]:
    with contextlib.suppress(OSError):
        done = subprocess.run(argv, capture_output=True, encoding="utf-8", errors="replace", check=False)
        return done.stdout if done.returncode == 0 else None
    return None


@dataclass(frozen=True)
class Client:
    """Docker commands with the engine and the logins of one build."""

    environment: Mapping[str, str]
    hand: Handed

    def ask(self, *words: str) -> Tuple[int, str]:
        """The exit code of a short command, and all that it said."""
        lines: List[str] = []
        code = self.run(("docker", *words), {}, lines.append)
        return code, "".join(lines).strip()

    def run(self, argv: Sequence[str], variables: Mapping[str, str], hear: Callable[[str], Any]) -> int:
        """The exit code; `hear` gets each line. What runs holds the clone's lock, even if this process is killed."""
        try:
            with subprocess.Popen(
                argv,
                env={**os.environ, **variables, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                close_fds=False,
            ) as process:
                _hear(process, hear)
        except OSError as error:
            raise BuildError(
                f"{argv[0]} cannot be started to build: {error}. See whether `{argv[0]} version` runs."
            ) from error
        return process.returncode


def _hear(process: subprocess.Popen[str], hear: Callable[[str], Any]) -> None:
    try:
        for line in process.stdout or ():
            hear(line)
    except BaseException:
        process.terminate()
        raise


@contextlib.contextmanager
def opened(docker_host: str, login: Optional[Mapping[str, str]]) -> Iterator[Client]:
    """The docker command with the user's own settings and one login more, which is gone after the block."""
    with open_hand() as hand:
        yield Client({**_settings(hand, login), "DOCKER_HOST": docker_host}, hand)


def _settings(hand: Handed, login: Optional[Mapping[str, str]]) -> Dict[str, str]:
    """Docker reads logins from a file in a folder: here is one of ours, with links to the rest of the user's own."""
    if not login:
        return {}
    own = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    folder = os.path.join(hand.folder, "docker")
    os.mkdir(folder, 0o700)
    for entry in os.listdir(own) if os.path.isdir(own) else ():
        if entry != CONFIG:
            os.symlink(os.path.join(own, entry), os.path.join(folder, entry))
    whole = _with_login(_read(os.path.join(own, CONFIG)), login)
    os.symlink(hand.path(CONFIG, json.dumps(whole)), os.path.join(folder, CONFIG))
    return {
        "DOCKER_CONFIG": folder,
        "BUILDX_CONFIG": os.environ.get("BUILDX_CONFIG") or os.path.join(own, "buildx"),
    }


def _read(path: str) -> Dict[str, Any]:
    with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        return dict(json.load(file))
    return {}


def _with_login(config: Mapping[str, Any], login: Mapping[str, str]) -> Dict[str, Any]:
    """An empty name of a helper: for this server the file counts, whatever keeps the user's other logins."""
    server = login["serveraddress"]
    token = base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode()
    return {
        **config,
        "auths": {**(config.get("auths") or {}), server: {"auth": token}},
        "credHelpers": {**(config.get("credHelpers") or {}), server: ""},
    }
