# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A build with Cloud Native Buildpacks, by the command `pack`, instead of a Dockerfile."""

from __future__ import annotations

import re
import shutil
from typing import List

from .._errors import BuildError
from .._progress import Progress
from .handed import Handed
from .output import Output
from .source import Source

PHASE = re.compile(r"===> (\w+)")
# It sets what BP_IMAGE_LABELS says.
IMAGE_LABELS = "paketo-buildpacks/image-labels"


class PackOutput(Output):
    """Its phases are its steps."""

    def see(self, line: str) -> None:
        phase = PHASE.match(line)
        if phase:
            self.end()
            self.step = phase[1]
            self.begin(phase[1].capitalize())


def output(progress: Progress) -> Output:
    return PackOutput(progress)


def require() -> None:
    if shutil.which("pack") is None:
        raise BuildError(
            "builder/pack builds with the command pack, which is not installed where the image is built. Install it "
            "(https://buildpacks.io/docs/install-pack), name another host that builds in kamal_build_host, or remove "
            "builder/pack to build with a Dockerfile."
        )


def argv(source: Source, root: str, hand: Handed) -> List[str]:
    """The command. Build arguments and secrets are variables of the build, which it reads from a file."""
    wanted = source.wanted
    section = wanted.pack or {}
    buildpacks = [*(section.get("buildpacks") or ()), IMAGE_LABELS]
    return [
        *("pack", "build", wanted.reference, "--builder", str(section["builder"])),
        *(word for platform in wanted.platforms for word in ("--platform", platform)),
        *("--creation-time", "now"),
        *(word for buildpack in buildpacks for word in ("--buildpack", str(buildpack))),
        *("--env-file", hand.path("pack", _variables(source))),
        *(["--clear-cache"] if wanted.no_cache else []),
        *("--path", source.context(root)),
    ]


def _variables(source: Source) -> str:
    wanted = source.wanted
    labels = " ".join(f"{name}={value}" for name, value in wanted.labels(source.commit).items())
    given = {**wanted.arguments, **wanted.secrets, "BP_IMAGE_LABELS": labels}
    lines = [name for name, value in given.items() if "\n" in (value or "")]
    if lines:
        raise BuildError(
            f"{', '.join(lines)}: pack takes no value of several lines. Encode it, for example with base64."
        )
    return "".join(f"{name}={value}\n" for name, value in given.items() if value is not None)
