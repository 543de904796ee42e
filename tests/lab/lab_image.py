# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The images the lab needs in the local engine: its own machines', kamal-proxy's and the sample app's base."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import List

import docker
from lab_settings import HERE, LABEL, ROOT, LabError

HUB_BASE = "debian:trixie-slim"
IMAGE_FILES = HERE / "image"


def _digest(paths: List[Path]) -> str:
    summary = hashlib.sha256()
    for path in sorted(paths):
        summary.update(path.name.encode() + b"\0" + path.read_bytes())
    return summary.hexdigest()[:12]


def _present(client: docker.DockerClient, image: str) -> bool:
    try:
        client.images.get(image)
    except docker.errors.ImageNotFound:
        return False
    return True


def _base(client: docker.DockerClient) -> str:
    own = "caravan-lab-base:" + _digest([IMAGE_FILES / "packages"])
    for image in (own, HUB_BASE):
        if _present(client, image):
            return image
    try:
        client.images.pull(HUB_BASE)
        return HUB_BASE
    except docker.errors.APIError:
        script(HERE / "base.sh", own)
        return own


def machine_image(client: docker.DockerClient) -> str:
    """The image all machines of the lab run, built when its files changed."""
    image = "caravan-lab:" + _digest([path for path in IMAGE_FILES.iterdir() if path.is_file()])
    if not _present(client, image):
        base = _base(client)
        print("lab: building the image of its machines", flush=True)
        try:
            client.images.build(
                path=str(IMAGE_FILES), tag=image, buildargs={"BASE": base}, labels={LABEL: "image"}, rm=True
            )
        except docker.errors.BuildError as error:
            raise LabError(f"the lab's image could not be built from {base}: {error}") from None
    return image


def script(path: Path, *arguments: str) -> None:
    """Runs one of our shell scripts; it explains a failure itself."""
    if subprocess.run([str(path), *arguments], check=False).returncode:
        raise LabError(f"{path.relative_to(ROOT)} failed; its reason is above")


def kept_images() -> List[str]:
    """The images every test host has from the start and keeps through a reset."""
    proxy_version = ""
    for line in (ROOT / "tools" / "kamal_proxy" / "go.mod").read_text().splitlines():
        if line.split()[:1] == ["github.com/basecamp/kamal-proxy"]:
            proxy_version = line.split()[1]
    dockerfile = (ROOT / "examples" / "hello" / "Dockerfile").read_text().splitlines()
    base = next(line.split()[1] for line in dockerfile if line.startswith("FROM "))
    return ["basecamp/kamal-proxy:" + proxy_version, base]
