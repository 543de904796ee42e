# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Docker engine behind a socket, which answers questions and does nothing: for playbooks that are run dry."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

ID = "sha256:" + "1" * 64
LABELS = {"service": "shop", "role": "web", "destination": ""}
# One container of the service shop, its image and an older one.
ANSWERS: Mapping[str, Any] = {
    "version": {"ApiVersion": "1.44", "Version": "25.0.0"},
    "containers/json": [
        {
            **{"Id": "c1", "Names": ["/shop-web-v1"], "Image": "acme/shop:v1", "ImageID": ID, "Labels": LABELS},
            **{"State": "running", "Status": "Up 2 hours", "Created": 0},
        }
    ],
    "images/json": [
        {"Id": ID, "RepoTags": ["acme/shop:v1"], "Labels": {"service": "shop"}},
        {"Id": "sha256:0", "RepoTags": ["acme/shop:v0"], "Labels": {"service": "shop"}},
    ],
}


class Docker(BaseHTTPRequestHandler):
    answers = ANSWERS

    def do_GET(self) -> None:
        answer = self.answers.get(re.sub(r"^/(v[\d.]+/)?|\?.*", "", self.path), None)
        body = json.dumps({"message": "not here"} if answer is None else answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"


@contextmanager
def engine(folder: Path, **more: Any) -> Iterator[str]:
    """The address of an engine that has `more` answers, by path."""
    handler = type("Docker", (Docker,), {"answers": {**ANSWERS, **more}})
    with socketserver.ThreadingUnixStreamServer(str(folder / "docker.sock"), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"unix://{folder}/docker.sock"
        finally:
            server.shutdown()
