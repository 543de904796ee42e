# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A certificate of one's own and its key, checked and put where kamal-proxy reads them, which is all that may."""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import Mapping, Tuple

from .._errors import SecretError, StateError
from .._host import files, placed
from .._host.changes import Changes
from .._host.engine import Engine
from .._names import PROXY_CONTAINER
from .._shares import CertificateShare
from . import apps_config, commands

CERTIFICATE, PRIVATE_KEY = "cert.pem", "key.pem"


@dataclass(frozen=True)
class Certificate:
    """`secrets` has the values by secret name. Another certificate lies in another folder: its route is another one.
    `route` is the name in kamal-proxy."""

    share: CertificateShare
    secrets: Mapping[str, str]
    engine: Engine
    route: str

    @property
    def folder(self) -> str:
        if not self._is_given:
            return self._found()
        fingerprint = hashlib.sha256(self._certificate.encode()).hexdigest()[:16]
        return f"{self.share.directory}/{fingerprint}"

    @property
    def paths(self) -> Tuple[str, str]:
        """The certificate and its key as kamal-proxy names them."""
        folder = apps_config.inside(self.folder)
        return f"{folder}/{CERTIFICATE}", f"{folder}/{PRIVATE_KEY}"

    @property
    def _is_given(self) -> bool:
        """Where secrets lie on the hosts, or are those of a release, the certificate is the one that is there."""
        return {self.share.certificate, self.share.private_key} <= set(self.secrets)

    def _found(self) -> str:
        """The one that the route has now, else the newest. A deploy that failed may have left a newer one."""
        # A run that was killed may have left one without its files. The key is the last of them.
        folders = [f"{self.share.directory}/{name}" for name in files.folders(self.share.directory)]
        looks = {folder: placed.look(folder) for folder in folders if files.exists(f"{folder}/{PRIVATE_KEY}")}
        there = {folder: look.written for folder, look in looks.items() if look}
        if not there:
            raise SecretError(
                f"There is no certificate in {files.absolute(self.share.directory)} on this host yet. Deploy once with "
                f"the secrets {self.share.certificate} and {self.share.private_key} on the controller."
            )
        named = self._named() if len(there) > 1 else ""
        newest = max(there, key=lambda folder: there[folder])
        return next((folder for folder in there if apps_config.inside(folder) == named), newest)

    def _named(self) -> str:
        """The folder that the route has now, as kamal-proxy names it; empty where it cannot say."""
        try:
            service = commands.services(self.engine).get(self.route)
        except StateError:
            return ""
        return str(service.options.values["tls-certificate-path"]).rpartition("/")[0] if service else ""

    @property
    def _certificate(self) -> str:
        return _pem(self.secrets[self.share.certificate])

    @property
    def _private_key(self) -> str:
        return _pem(self.secrets[self.share.private_key])

    def ensure(self, changes: Changes, role: str) -> None:
        if not self._is_given:
            self._found()
            return
        content = {CERTIFICATE: self._certificate, PRIVATE_KEY: self._private_key}
        there = [self.engine.read_file(PROXY_CONTAINER, path) for path in self.paths]
        if there == [text.encode() for text in content.values()]:
            return
        self._check()
        write = partial(apps_config.write_for_proxy, self.engine, self.folder, content)
        changes.show(f"certificate of {role}", None, self.folder)
        changes.do(f"write certificate of {role}", write)

    def _check(self) -> None:
        """They are what they should be. kamal-proxy would only say so when the new version is to go live."""
        try:
            _load(self._certificate.encode(), self._private_key.encode())
        except ssl.SSLError as error:
            raise SecretError(
                f"The secrets {self.share.certificate} and {self.share.private_key} are not a certificate and the "
                f"private key that belongs to it ({error.reason or 'unreadable'}). Both are PEM with line breaks (in "
                "quotes in .kamal/secrets); the key has no passphrase; intermediate certificates come last."
            ) from error


def _pem(text: str) -> str:
    """With line breaks, also where a tool has written them as `\\n`, and one at the end."""
    text = text.strip()
    return (text if "\n" in text else text.replace("\\n", "\n")).strip() + "\n"


def _load(*parts: bytes) -> None:
    """The library reads files: these are in memory, or nameless where Python was built for an older C library."""
    handles = []
    try:
        for part in parts:
            handles.append(_nameless())
            os.write(handles[-1], part)
        certificate, key = (f"/proc/self/fd/{handle}" for handle in handles)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "-")
    finally:
        for handle in handles:
            os.close(handle)


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("pem")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
