# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's keys, certificate and SSH settings, made once and kept in the cache; and what of them each machine gets."""

from __future__ import annotations

import io
import secrets
import subprocess
import tarfile
from pathlib import Path
from typing import List, NamedTuple

from lab_settings import (
    CACHE,
    DEPLOY_UID,
    HOST_KEY,
    KNOWN_HOSTS,
    REGISTRY,
    REGISTRY_CERT,
    REGISTRY_KEY,
    REGISTRY_MACHINE,
    REGISTRY_PASSWORD,
    SSH_CONFIG,
    SSH_KEY,
    SUBNET,
    LabError,
    Machine,
)

SSH_SETTINGS = """\
Host *
    User root
    IdentityFile "{key}"
    IdentitiesOnly yes
    UserKnownHostsFile "{known_hosts}"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    ConnectTimeout 15
    LogLevel ERROR
"""


class File(NamedTuple):
    path: str
    content: bytes
    mode: int = 0o644
    uid: int = 0


def run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed; install it and run this again") from None
    except subprocess.CalledProcessError as error:
        raise LabError(f"{command[0]} failed: {error.stderr.strip()}") from None


def make_keys() -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    for key in (SSH_KEY, HOST_KEY):
        if not key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "caravan-lab", "-f", str(key))
    if not REGISTRY_PASSWORD.exists():
        REGISTRY_PASSWORD.write_text(secrets.token_urlsafe(18))
        REGISTRY_PASSWORD.chmod(0o600)
    if not REGISTRY_CERT.exists():
        _make_certificate()
    host_key = Path(str(HOST_KEY) + ".pub").read_text()
    addresses = str(SUBNET[0]).rsplit(".", 1)[0] + ".*"
    KNOWN_HOSTS.write_text(f"web*,worker*,{addresses} {host_key}")


def _make_certificate() -> None:
    name = REGISTRY.partition(":")[0]
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-days", "3650", "-subj", f"/CN={name}"),
        *("-addext", f"subjectAltName=DNS:{name},IP:{REGISTRY_MACHINE.ip}"),
        *("-keyout", str(REGISTRY_KEY), "-out", str(REGISTRY_CERT)),
    )


def write_ssh_config(hosts: List[Machine]) -> None:
    names = "".join(f"Host {host.name}\n    HostName {host.ip}\n" for host in hosts)
    SSH_CONFIG.write_text(names + SSH_SETTINGS.format(key=SSH_KEY, known_hosts=KNOWN_HOSTS))


def files_for(machine: Machine) -> List[File]:
    if machine.kind == "registry":
        return [
            File("lab/registry.crt", REGISTRY_CERT.read_bytes()),
            File("lab/registry.key", REGISTRY_KEY.read_bytes(), 0o600),
            File("lab/password", REGISTRY_PASSWORD.read_bytes(), 0o600),
        ]
    if machine.kind == "host":
        authorized = Path(str(SSH_KEY) + ".pub").read_bytes()
        return [
            File("etc/ssh/ssh_host_ed25519_key", HOST_KEY.read_bytes(), 0o600),
            File("root/.ssh/authorized_keys", authorized, 0o600),
            File("home/deploy/.ssh/authorized_keys", authorized, 0o600, DEPLOY_UID),
            File(f"etc/docker/certs.d/{REGISTRY}/ca.crt", REGISTRY_CERT.read_bytes()),
        ]
    return []


def archive(files: List[File]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in files:
            info = tarfile.TarInfo(file.path)
            info.size, info.mode, info.uid, info.gid = len(file.content), file.mode, file.uid, file.uid
            tar.addfile(info, io.BytesIO(file.content))
    return buffer.getvalue()
