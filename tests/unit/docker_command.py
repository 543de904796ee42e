# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A docker command that remembers what it was asked, and what it could read of that: logins and secrets."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """\
#!{python} -S
import json, os, sys
folder, words = {folder!r}, sys.argv[1:]
def path(name): return os.path.join(folder, name)
def read(name):
    with open(name) as file: return file.read()
config = os.path.join(os.environ.get("DOCKER_CONFIG", "/nowhere"), "config.json")
sources = [word.split(",src=") for word in words if word.startswith("--secret=id=")]
asked = dict(
    words=words,
    environment=dict(os.environ),
    config=json.loads(read(config)) if os.path.exists(config) else None,
    files=sorted(os.listdir(os.environ["DOCKER_CONFIG"])) if os.path.exists(config) else [],
    secrets={{name.partition("=")[2][3:]: read(source) for name, source in sources}},
    held=[os.readlink("/proc/self/fd/" + each) for each in os.listdir("/proc/self/fd")
          if os.path.exists("/proc/self/fd/" + each)],
)
with open(path("asked"), "a") as file: file.write(json.dumps(asked) + "\\n")
answers = json.loads(read(path("answers")))
for begin, (code, said, metadata) in sorted(answers.items(), key=lambda each: -len(each[0])):
    if " ".join(words).startswith(begin):
        for word in words:
            if metadata and word.startswith("--metadata-file="):
                with open(word.partition("=")[2], "w") as file: file.write(json.dumps(metadata))
        print(said)
        sys.exit(code)
"""


class DockerCommand:
    """Whatever is not answered otherwise succeeds without a word."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: dict[str, Any] = {}
        self.program = folder / "docker"
        self.program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
        self.program.chmod(0o755)
        self._write()

    def answer(self, begin: str, code: int = 0, said: str = "", metadata: Any = None) -> None:
        """What a command that begins with these words says and ends with."""
        self.answers[begin] = (code, said, metadata)
        self._write()

    def _write(self) -> None:
        (self.folder / "answers").write_text(json.dumps(self.answers))

    @property
    def asked(self) -> list[dict[str, Any]]:
        file = self.folder / "asked"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def commands(self) -> list[str]:
        return [" ".join(each["words"]) for each in self.asked]

    @property
    def build(self) -> dict[str, Any]:
        """The last build that was asked for."""
        return next(each for each in reversed(self.asked) if "build" in each["words"][:2])


@pytest.fixture
def docker_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DockerCommand:
    """A docker command in front of all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return DockerCommand(folder)
