# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A certificate of one's own for the app's host, and requests that trust it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hosts import HOST_NAME, Host
from project import Project

# What certify puts into the secrets.
SSL = {"certificate_pem": "CERTIFICATE_PEM", "private_key_pem": "PRIVATE_KEY_PEM"}


def certify(project: Project, name: str) -> Path:
    """A certificate for the app's host, as secrets of the project."""
    folder = project.root / ".pem"
    folder.mkdir(exist_ok=True)
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    names = ("-subj", f"/O={name}", "-addext", f"subjectAltName=DNS:{HOST_NAME}")
    subprocess.run(
        ["openssl", "req", "-x509", *kind, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    project.secrets(
        REGISTRY_PASSWORD="$LAB_REGISTRY_PASSWORD",
        CERTIFICATE_PEM=f'"{certificate.read_text()}"',
        PRIVATE_KEY_PEM=f'"{key.read_text()}"',
    )
    return certificate


def over_tls(host: Host, certificate: Path, path: str = "/", seconds: int = 30) -> subprocess.CompletedProcess[str]:
    """A request that trusts this certificate alone."""
    address = host.url.removeprefix("http://")
    command = [
        "curl",
        "-sS",
        "--max-time",
        str(seconds),
        "--cacert",
        certificate,
        "--resolve",
        f"{HOST_NAME}:443:{address}",
    ]
    return subprocess.run(
        [*command, "-w", "\n%{http_code}", f"https://{HOST_NAME}{path}"], check=False, capture_output=True, text=True
    )
