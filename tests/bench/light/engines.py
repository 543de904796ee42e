# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Answers as the Docker engines of many hosts, each on a socket of its own: engines.py FOLDER FIRST NUMBER [IMAGE...]

Behind each socket is the engine of the unit tests, which keeps what it is told and runs nothing. Here it gets the words
of Docker's API, as far as the collection and the docker command use them for what is measured.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any, Dict, List, NoReturn
from urllib.parse import parse_qs, unquote, urlsplit

from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Container, Executed, Image
from fakes import FakeEngine, tar

VERSION = {"ApiVersion": "1.45", "MinAPIVersion": "1.24", "Version": "26.1.5", "Os": "linux", "Arch": "amd64"}
MINUTE = 60.0


class Missing(Exception):
    """What was asked for is not there."""


class Answers:
    """One engine, in the words of the API: a method for each thing, with what follows its name in the path."""

    def __init__(self, images: List[str]) -> None:
        self.engine = FakeEngine()
        self.engine.now = lambda: time.strftime("%Y-%m-%dT%H:%M:%S.0Z", time.gmtime())
        for image in images:
            repository = image.rpartition(":")[0]
            service = "hello" if repository.endswith("hello") else None
            self.engine.add_image(image, f"sha256:{hashlib.sha256(repository.encode()).hexdigest()}", service)
        self.lock = threading.Lock()
        self._commands: Dict[str, Executed] = {}
        self._wanted: Dict[str, Any] = {}

    def _ping(self, method: str, rest: str, query: Dict[str, str], body: Any) -> Any:
        return "OK"

    def version(self, method: str, rest: str, query: Dict[str, str], body: Any) -> Any:
        return VERSION

    def info(self, method: str, rest: str, query: Dict[str, str], body: Any) -> Any:
        return {"ID": self.engine.id(), "DriverStatus": []}

    def auth(self, method: str, rest: str, query: Dict[str, str], body: Any) -> Any:
        return {"Status": "Login Succeeded"}

    def events(self, method: str, rest: str, query: Dict[str, str], body: Any) -> Any:
        return None

    def distribution(self, method: str, rest: str, query: Dict[str, str], body: Any) -> Any:
        raise Missing("manifest unknown")

    def networks(self, method: str, rest: str, query: Dict[str, str], body: Any) -> Any:
        if rest == "create":
            self.engine.create_network(body["Name"])
            return {"Id": body["Name"]}
        return [{"Name": name, "Id": name} for name in sorted(self.engine.networks)]

    def containers(self, method: str, rest: str, query: Dict[str, str], body: Any) -> Any:
        name, _slash, verb = rest.partition("/")
        if rest == "json":
            labels = json.loads(query.get("filters", "{}")).get("label", [])
            found = self.engine.containers(*labels)
            return [_listed(each) for each in found if query.get("all", "0") not in ("0", "false") or each.running]
        if rest == "create":
            return {"Id": self.engine.create(query["name"], body), "Warnings": []}
        inspected = self.engine.inspect(name)
        if inspected is None:
            raise Missing(f"No such container: {name}")
        if verb == "json":
            inspected["Config"]["Hostname"] = inspected["Config"].get("Hostname") or inspected["Id"][:12]
            return inspected
        return self._done(name, verb or method, query, body)

    def _done(self, name: str, verb: str, query: Dict[str, str], body: Any) -> Any:
        if verb == "exec":
            number = str(len(self._wanted))
            self._wanted[number] = (name, _joined(body["Cmd"]))
            return {"Id": number}
        if verb == "archive":
            content = self.engine.read_file(name, query["path"])
            if content is None:
                raise Missing(f"Could not find the file {query['path']} in container {name}")
            return tar({query["path"].rpartition("/")[2]: content})
        if verb == "logs":
            return b""
        acts = {
            "start": lambda: self.engine.start(name),
            "stop": lambda: self.engine.stop(name, None),
            "rename": lambda: self.engine.rename(name, query["name"]),
            "DELETE": lambda: self.engine.remove(name),
        }
        acts[verb]()
        return None

    def exec(self, method: str, rest: str, query: Dict[str, str], body: Any) -> Any:
        number, _slash, verb = rest.partition("/")
        if verb == "start":
            self._commands[number] = self.engine.execute(*self._wanted[number])
            return self._commands[number]
        return {"ID": number, "Running": False, "ExitCode": self._commands[number].code}

    def images(self, method: str, rest: str, query: Dict[str, str], body: Any) -> Any:
        if rest == "json":
            labels = json.loads(query.get("filters", "{}")).get("label", [])
            references = json.loads(query.get("filters", "{}")).get("reference", [])
            found = self.engine.images(*labels) if labels else self.engine.images_in(*references)
            return [_pictured(image) for image in found]
        name, _slash, verb = rest.rpartition("/") if rest.endswith(("/json", "/tag")) else (rest, "", method)
        image = self.engine.image(name)
        if image is None:
            raise Missing(f"No such image: {name}")
        if verb == "json":
            return _pictured(image)
        if verb == "tag":
            self.engine.tag(name, query["repo"], query["tag"])
            return None
        self.engine.remove_image(name)
        return []


def _joined(words: List[str]) -> List[str]:
    """Each flag as one word with its value, as the collection writes it."""
    return re.sub(r"(--[a-z-]+)\0(?!--)", r"\1=", "\0".join(words)).split("\0")


def _listed(container: Container) -> Any:
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.image,
        "ImageID": container.image_id,
        "Created": container.created,
        "State": container.state,
        "Status": container.status,
        "Labels": dict(container.labels),
        "Ports": [],
    }


def _pictured(image: Image) -> Any:
    return {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.digests),
        "Labels": dict(image.labels),
        "Config": {"Labels": dict(image.labels)},
        "RootFS": {"Layers": list(image.layers)},
        "Created": image.created,
        "Architecture": "amd64",
        "Os": "linux",
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, _slash, rest = re.sub(r"^/v[0-9.]+", "", unquote(address.path)).lstrip("/").partition("/")
        if rest.endswith("/wait"):
            return self._wait()
        try:
            with self.server.answers.lock:
                done = getattr(self.server.answers, kind)(self.command, rest, query, json.loads(body) if body else None)
        except Missing as error:
            return self._send(404, {"message": str(error)})
        except EngineError as error:
            return self._send(500, {"message": error.message})
        if isinstance(done, Executed):
            return self._stream(done)
        return self._send(201 if kind == "containers" and rest == "create" else 200, done)

    do_GET = do_POST = do_DELETE = do_HEAD = answer

    def _send(self, status: int, done: Any) -> None:
        is_archive = isinstance(done, bytes)
        content = done if is_archive else b"" if done is None else json.dumps(done).encode()
        self.send_response(204 if done is None and status == 200 else status)
        self.send_header("Api-Version", VERSION["ApiVersion"])
        self.send_header("Content-Type", "application/x-tar" if is_archive else "application/json")
        if is_archive:
            stat = base64.b64encode(json.dumps({"name": "file", "size": len(done), "mode": 0o644}).encode())
            self.send_header("X-Docker-Container-Path-Stat", stat.decode())
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _wait(self) -> None:
        """The docker command asks for the end of what it starts, and goes away before there is one."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.rfile.read(1)

    def _stream(self, done: Executed) -> None:
        """The connection becomes that of the command, as Docker has it."""
        self.close_connection = True
        self.send_response(101)
        for name, value in (("Connection", "Upgrade"), ("Upgrade", "tcp")):
            self.send_header(name, value)
        self.send_header("Content-Type", "application/vnd.docker.raw-stream")
        self.end_headers()
        content = done.output.encode()
        if content:
            self.wfile.write(struct.pack(">BxxxL", 1 if not done.code else 2, len(content)) + content)

    def address_string(self) -> str:
        return ""

    def log_message(self, *said: Any) -> None:
        """Nothing."""


class Server(ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, path: Path, answers: Answers) -> None:
        super().__init__(str(path), Handler)
        self.answers = answers


def main(folder: str, first: str, number: str, *images: str) -> NoReturn:
    names = range(int(first), int(first) + int(number))
    servers = [Server(Path(folder) / f"{name}.sock", Answers(list(images))) for name in names]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(MINUTE,), daemon=True).start()
    print("ready", flush=True)
    while True:
        time.sleep(MINUTE)


if __name__ == "__main__":
    main(*sys.argv[1:])
