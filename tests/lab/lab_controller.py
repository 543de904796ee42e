# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the lab changes on this machine: the name and certificate of its registry, and a buildx where there is none."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

from docker.models.containers import Container
from lab_settings import DOCKER_CONFIG, REGISTRY, REGISTRY_CERT, REGISTRY_MACHINE, LabError

HOSTS = Path("/etc/hosts")
CERTIFICATES = Path("/etc/docker/certs.d") / REGISTRY
MARKER = "# caravan-lab"
BUILDX = "/usr/libexec/docker/cli-plugins/docker-buildx"


def _as_root(*command: str, text: str = "") -> None:
    prefix = () if os.geteuid() == 0 else ("sudo", "-n")
    done = subprocess.run([*prefix, *command], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip()
        raise LabError(f"'{' '.join(command)}' needs root: {reason}; run as root or allow sudo without a password")


def _write(path: Path, text: str) -> None:
    # Written in place: /etc/hosts may be a mount, which cannot be replaced.
    _as_root("tee", str(path), text=text)


def _other_hosts_lines() -> str:
    return "".join(line for line in HOSTS.read_text().splitlines(True) if MARKER not in line)


def make_registry_known() -> None:
    """Lets this machine's engine find and trust the lab's registry."""
    others = _other_hosts_lines()
    if others and not others.endswith("\n"):
        others += "\n"
    name = REGISTRY.partition(":")[0]
    wanted = f"{others}{REGISTRY_MACHINE.ip} {name} {MARKER}\n"
    if HOSTS.read_text() != wanted:
        _write(HOSTS, wanted)
    certificate = CERTIFICATES / "ca.crt"
    if not certificate.exists() or certificate.read_bytes() != REGISTRY_CERT.read_bytes():
        _as_root("mkdir", "-p", str(CERTIFICATES))
        _write(certificate, REGISTRY_CERT.read_text())


def forget_registry() -> None:
    others = _other_hosts_lines()
    if HOSTS.read_text() != others:
        _write(HOSTS, others)
    if CERTIFICATES.exists():
        _as_root("rm", "-rf", str(CERTIFICATES))


def ensure_buildx(host: Container) -> None:
    """A client configuration of the lab's own, with the test hosts' buildx where this machine has none."""
    DOCKER_CONFIG.mkdir(parents=True, exist_ok=True)
    plugin = DOCKER_CONFIG / "cli-plugins" / "docker-buildx"
    if (
        plugin.exists()
        or not subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode
    ):
        return
    plugin.parent.mkdir(exist_ok=True)
    stream, _stat = host.get_archive(BUILDX)
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        member = tar.extractfile("docker-buildx")
        if member is not None:
            plugin.write_bytes(member.read())
    plugin.chmod(0o755)
