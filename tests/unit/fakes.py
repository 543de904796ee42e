# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Docker engine with a kamal-proxy, in memory: it keeps what it is told and can be made to misbehave."""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import itertools
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.caravan.kamal.plugins.module_utils._durations import duration
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError, ImageError
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Container, Executed, Hears, Image
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import flags as _flags
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import values
from ansible_collections.caravan.kamal.plugins.module_utils._references import short

PROXY = "kamal-proxy"
NETWORK = "kamal"
SEEN = "/home/kamal-proxy/.apps-config/"
# As whom kamal-proxy runs in its container.
USER = 1001
NO_NETWORK = ("host", "none", "default", "bridge")


def long_ago() -> str:
    return "2026-01-01T00:00:00.25Z"


class FakeEngine:
    """An `Engine` whose containers are kept as `docker inspect` shows them, by name, in `here`.

    `calls` holds every call that changed something. Names or images in `dying` exit at once with code 1, those in
    `crashing` exit with the code given there and are restarted by their policy, and those in `sick` start but never
    become healthy. `contents` has the files in an image, by its ID and their path, `answers` what commands in
    containers end with by their first word, `elsewhere` are the targets on other hosts that answer.
    `state_file` is what kamal-proxy's state file holds instead of its routes, until it is written anew.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.here: dict[str, dict[str, Any]] = {}
        self.pictures: dict[str, Image] = {}
        self.networks: set[str] = set()
        self.registry: dict[str, Image] = {}
        self.mirror_addresses: list[str] = []
        self.contents: dict[str, dict[str, bytes]] = {}
        self.owners: dict[Path, tuple[int, int]] = {}
        self.logged_in: str | None = None
        self.pulled_with: Mapping[str, str] | None = None
        self.dying: set[str] = set()
        self.crashing: dict[str, int] = {}
        self.sick: set[str] = set()
        self.unstartable: dict[str, EngineError] = {}
        self.fails_after_switch = False
        self.elsewhere: set[str] = set()
        self.routes: dict[str, dict[str, Any]] = {}
        self.state_file: bytes | None = None
        self.output: dict[str, str] = {}
        self.stop_timeouts: dict[str, int | None] = {}
        self.lost_volumes: list[str] = []
        self.volumes: set[str] = set()
        self.answers: dict[str, Executed] = {}
        self.now: Callable[[], str] = long_ago
        # By the ID of an image the contents of its layers, from the lowest on.
        self.stacks: dict[str, list[bytes]] = {}
        self._exits: dict[str, list[int]] = {}
        self._created: dict[str, int] = {}
        self._numbers = itertools.count(1)

    # What tests arrange

    def add_image(
        self, reference: str, image_id: str, service: str | None = "hello", digest: str | None = None
    ) -> Image:
        """Docker lists what is on Docker Hub by its short name, however it was asked for."""
        reference, labels = short(reference), {"service": service} if service else {}
        old = next((image for image in self.pictures.values() if image.id == image_id), None)
        tags = [*(old.tags if old else ()), reference]
        self.pictures.pop(image_id, None)
        for name, image in list(self.pictures.items()):
            if reference in image.tags and image.id != image_id:
                left = Image(image.id, [t for t in image.tags if t != reference], image.digests, image.labels)
                self.pictures[name if left.tags else image.id] = left
        image = Image(image_id, tags, [f"{reference.rpartition(':')[0]}@{digest}"] if digest else (), labels)
        for tag in tags:
            self.pictures[tag] = image
        return image

    def add(self, name: str, image_id: str = "i0", state: str = "running", **labels: str) -> dict[str, Any]:
        """A container that was there before, as Kamal or an earlier release made it."""
        self.create(name, {"Image": image_id, "Labels": labels, "Env": [], "HostConfig": {"NetworkMode": NETWORK}})
        self.here[name]["State"].update(Status=state, Running=state == "running")
        self.calls.clear()
        return self.here[name]

    def boot_proxy(self) -> None:
        self.add(PROXY, "basecamp/kamal-proxy:v0.9.2")

    def container(self, name: str) -> dict[str, Any]:
        """A container as it is now, to look at or to change."""
        return self._find(name)[1]

    def disconnect(self, name: str) -> None:
        """What `docker network disconnect` does; the network itself can be removed from `networks`."""
        self.container(name)["NetworkSettings"]["Networks"].clear()

    @property
    def running(self) -> set[str]:
        return {name for name, container in self.here.items() if container["State"]["Status"] == "running"}

    def target(self, route: str) -> str:
        """The container that a route leads to."""
        address = self.routes[route]["active_targets"][0]
        return next((name for name, each in self.here.items() if address.startswith(each["Id"][:12])), str(address))

    # Containers

    def _find(self, name: str) -> tuple[str, dict[str, Any]]:
        for known, container in self.here.items():
            if name in (known, container["Id"]) or (len(name) >= 12 and container["Id"].startswith(name)):
                return known, container
        raise EngineError(f"Docker could not do it: No such container: {name}")

    def containers(self, *labels: str) -> list[Container]:
        wanted = [label.partition("=") for label in labels]
        matching = [
            item
            for item in self.here.items()
            if all(
                name in item[1]["Config"]["Labels"] and (not equals or item[1]["Config"]["Labels"][name] == value)
                for name, equals, value in wanted
            )
        ]
        return sorted((self._listed(*item) for item in matching), key=lambda container: -container.created)

    def _listed(self, name: str, container: dict[str, Any]) -> Container:
        state = container["State"]["Status"]
        health = f" ({container['State']['Health']['Status']})" if "Health" in container["State"] else ""
        return Container(
            id=container["Id"],
            name=name,
            state=state,
            image_id=container["Image"],
            created=self._created[container["Id"]],
            image=container["Config"]["Image"],
            status=("Up 2 minutes" if state == "running" else "Exited (0) 2 minutes ago") + health,
            labels=container["Config"]["Labels"],
        )

    def inspect(self, name: str) -> dict[str, Any] | None:
        try:
            return copy.deepcopy(self._find(name)[1])
        except EngineError:
            return None

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        if name in self.here:
            raise EngineError(f"Docker could not create {name}: the name is in use")
        self.calls.append(f"create {name}")
        number = next(self._numbers)
        image = self.pictures.get(short(body["Image"]))
        beside = ("HostConfig", "NetworkingConfig", "Platform")
        config = {key: copy.deepcopy(value) for key, value in body.items() if key not in beside}
        host_config = {"RestartPolicy": {"Name": "no"}, "NetworkMode": "default", **body.get("HostConfig", {})}
        network = host_config["NetworkMode"]
        self.here[name] = {
            "Id": f"{number:064x}"[::-1],
            "Name": f"/{name}",
            "Created": f"2026-01-01T00:00:{number:02}Z",
            "Image": image.id if image else body["Image"],
            "RestartCount": 0,
            "State": {
                "Status": "created",
                "Running": False,
                "Restarting": False,
                "OOMKilled": False,
                "ExitCode": 0,
                "StartedAt": "0001-01-01T00:00:00Z",
            },
            "Config": {"Env": [], **config, "Labels": dict(body.get("Labels") or {})},
            "HostConfig": copy.deepcopy(host_config),
            "NetworkSettings": {"Networks": {} if network in NO_NETWORK else {network: {"IPAddress": ""}}},
        }
        self._created[self.here[name]["Id"]] = number
        return str(self.here[name]["Id"])

    def start(self, name: str) -> None:
        known, container = self._find(name)
        self.calls.append(f"start {known}")
        final = known[: -len("_staged")] if known.endswith("_staged") else known
        if final in self.unstartable:
            raise self.unstartable[final]
        if known == PROXY and self.state_file is not None:
            self.routes.clear()
        state, names = container["State"], {known, final, container["Config"]["Image"]}
        state["StartedAt"] = self.now()
        codes = [self.crashing[each] for each in names if each in self.crashing]
        if codes:
            self._exits[container["Id"]] = codes
            container["RestartCount"] = 1
            state.update(Status="running", Running=True, ExitCode=0)
        elif names & self.dying:
            self._exits[container["Id"]] = [1]
            state.update(Status="exited", Running=False, ExitCode=1)
        else:
            state.update(Status="running", Running=True, ExitCode=0)
        if "Healthcheck" in container["Config"]:
            state["Health"] = {"Status": "unhealthy" if names & self.sick else "healthy", "Log": []}

    def stop(self, name: str, timeout: int | None) -> None:
        if self.inspect(name) is None:
            return
        known, container = self._find(name)
        self.calls.append(f"stop {known}")
        self.stop_timeouts[known] = timeout
        if container["State"]["Status"] == "running":
            container["State"].update(Status="exited", Running=False, ExitCode=0)

    def rename(self, name: str, new: str) -> None:
        known, container = self._find(name)
        if new in self.here:
            raise EngineError(f"Docker could not rename: the name {new} is in use")
        self.calls.append(f"rename {known} {new}")
        del self.here[known]
        container["Name"] = f"/{new}"
        self.here[new] = container

    def remove(self, name: str, volumes: bool = False) -> None:
        if self.inspect(name):
            known = self._find(name)[0]
            self.calls.append(f"remove {known}")
            del self.here[known]
            if volumes:
                self.lost_volumes.append(known)

    def archive(self, name: str, path: str) -> Iterator[bytes] | None:
        inspected = self.inspect(name)
        if name == PROXY:
            return iter([tar({"kamal-proxy": b""}, USER)])
        folder = path.removesuffix(".")
        within = self.contents.get(inspected["Image"], {}) if inspected else {}
        found = {place[len(folder) :]: content for place, content in within.items() if place.startswith(folder)}
        return iter([tar(found)]) if found else None

    def put(self, container: str, path: str, archive: bytes) -> None:
        if not self.seen(path).is_dir():
            raise EngineError(f"Docker could not write to {path} in container {container}: no such directory")
        self.calls.append(f"put {path}")
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            for member in members:
                source, target = members.extractfile(member), self.seen(path) / member.name
                assert source is not None
                target.write_bytes(source.read())
                target.chmod(member.mode)
                self.owners[target] = (member.uid, member.gid)

    @staticmethod
    def seen(path: str) -> Path:
        """A file of the host that kamal-proxy sees."""
        return Path.home() / ".kamal/proxy/apps-config" / path.removeprefix(SEEN)

    def logs(self, name: str, lines: int | None, since: int | None = None, timestamps: bool = False) -> str:
        text = self.output.get(self._find(name)[0].replace("_staged", ""), "").splitlines()
        return "\n".join(text if lines is None else text[-lines:])

    def stdout(self, name: str) -> bytes:
        return self.logs(name, None).encode()

    def follow(self, container: str) -> Iterator[bytes]:
        """What it wrote is known when it has been started."""
        return (self.logs(container, None).encode() for _piece in range(1))

    def exit_codes(self, name: str) -> list[int]:
        return self._exits.get(self._find(name)[1]["Id"], [])

    # Images and networks

    def image(self, reference: str) -> Image | None:
        by_id = (image for image in self.pictures.values() if image.id == reference)
        image = self.pictures.get(short(reference)) or next(by_id, None)
        layers = [content_id(layer) for layer in self.stacks.get(image.id, [])] if image else []
        return replace(image, layers=layers, created=long_ago()) if image and layers else image

    def images(self, label: str) -> list[Image]:
        name, _equals, value = label.partition("=")
        unique = {image.id: image for image in self.pictures.values()}
        return [image for image in unique.values() if image.labels.get(name) == value]

    def images_in(self, repository: str) -> list[Image]:
        unique = {image.id: image for image in self.pictures.values()}
        return [
            image for image in unique.values() if any(tag.rpartition(":")[0] == short(repository) for tag in image.tags)
        ]

    def pull(self, reference: str, credentials: Mapping[str, str] | None) -> None:
        self.calls.append(f"pull {reference}")
        self.pulled_with = credentials
        if reference not in self.registry:
            raise ImageError(f"The registry has no image {reference}.")
        image = self.registry[reference]
        self.pictures[short(reference)] = image

    def registry_digest(self, reference: str, credentials: Mapping[str, str] | None) -> str | None:
        image = self.registry.get(reference)
        return next((digest for digest in image.digests_in(reference.rpartition(":")[0])), None) if image else None

    def mirrors(self) -> list[str]:
        return self.mirror_addresses

    def log_in(self, server: str, credentials: Mapping[str, str]) -> None:
        self.logged_in = server

    def tag(self, reference: str, repository: str, tag: str) -> None:
        self.calls.append(f"tag {reference} {repository}:{tag}")
        image = self.pictures.get(short(reference)) or self._image_of(reference)
        tagged = self.add_image(f"{repository}:{tag}", image.id, image.labels.get("service"))
        self.pictures.update({name: replace(tagged, digests=image.digests) for name in tagged.tags})

    def _image_of(self, image_id: str) -> Image:
        return next(image for image in self.pictures.values() if image.id == image_id)

    def remove_image(self, reference: str) -> None:
        self.calls.append(f"remove image {reference}")
        self.pictures.pop(short(reference), None)

    def architecture(self) -> str:
        return "amd64"

    def build(
        self, tag: str, folder: str, credentials: Mapping[str, str] | None, **settings: Any
    ) -> Iterator[Mapping[str, Any]]:
        self.calls.append(f"build {tag}")
        image = self.add_image(tag, f"image of {tag}")
        self.pictures[tag] = replace(image, labels=dict(settings.get("labels", {})))
        yield {"stream": f"Successfully tagged {tag}\n"}

    def push(self, repository: str, tag: str, credentials: Mapping[str, str] | None) -> Iterator[Mapping[str, Any]]:
        self.calls.append(f"push {repository}:{tag}")
        self.registry[f"{repository}:{tag}"] = self.pictures[f"{repository}:{tag}"]
        yield {"aux": {"Tag": tag, "Digest": f"sha256:{tag}"}}

    def layers(self) -> list[Sequence[str]]:
        return [[content_id(layer) for layer in stack] for stack in self.stacks.values()]

    def save(self, reference: str) -> Iterator[bytes]:
        image = self.image(reference)
        assert image is not None
        config = configuration(image)
        files = {f"{number}/layer.tar": layer for number, layer in enumerate(self.stacks[image.id])}
        contents = [{"Config": "config.json", "RepoTags": None, "Layers": list(files)}]
        yield tar({**files, "config.json": config, "manifest.json": json.dumps(contents).encode()})

    def load(self, archive: Iterator[bytes]) -> None:
        self.calls.append("load")
        with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as members:
            files = {member.name: members.extractfile(member).read() for member in members}  # type: ignore[union-attr]
        contents = json.loads(files["manifest.json"])[0]
        config = json.loads(files[contents["Config"]])
        image_id = content_id(files[contents["Config"]])
        known = {content_id(layer): layer for stack in self.stacks.values() for layer in stack}
        sent = {
            content_id(gzip.decompress(files[name])): gzip.decompress(files[name])
            for name in set(contents["Layers"]) & set(files)
        }
        self.stacks[image_id] = [{**known, **sent}[layer] for layer in config["rootfs"]["diff_ids"]]
        for reference in contents["RepoTags"]:
            self.add_image(reference, image_id)

    def has_volume(self, name: str) -> bool:
        return name in self.volumes

    def remove_volume(self, name: str) -> None:
        self.calls.append(f"remove volume {name}")
        if any(name in str(container.get("Mounts")) for container in self.here.values()):
            raise EngineError(f"Docker could not remove volume {name}: volume is in use")
        self.volumes.discard(name)

    def has_network(self, name: str) -> bool:
        return name in self.networks

    def create_network(self, name: str) -> None:
        self.calls.append(f"create network {name}")
        self.networks.add(name)

    def attach(self, network: str, container: str) -> None:
        known, inspected = self._find(container)
        self.calls.append(f"connect {known} to {network}")
        if network not in self.networks:
            raise EngineError(f"Docker could not connect it: network {network} not found")
        inspected["NetworkSettings"]["Networks"][network] = {"IPAddress": ""}

    def id(self) -> str:
        return "FAKE:ENGINE"

    # kamal-proxy

    def read_file(self, container: str, path: str) -> bytes | None:
        if container not in self.here:
            return None
        if path.startswith(SEEN):
            file = self.seen(path)
            return file.read_bytes() if file.is_file() else None
        if self.state_file is not None:
            return self.state_file
        return json.dumps(list(self.routes.values())).encode() if self.routes else None

    def execute(self, container: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Executed:
        known, inspected = self._find(container)
        if inspected["State"]["Status"] != "running":
            raise EngineError(f"Docker could not run it: container {known} is not running")
        if known != PROXY:
            self.calls.append(f"run {argv[0]} in {known}")
            return self.answers.get(argv[0], Executed(0, ""))
        if argv[1] != "list":
            self.calls.append(" ".join(argv[:3]))
            self.state_file = None  # which kamal-proxy writes anew after each such command, refused ones too
        executed: Executed = getattr(self, f"_proxy_{argv[1]}")(*argv[2:])
        return executed

    def execute_streamed(self, container: str, argv: Sequence[str], env: Mapping[str, str], hears: Hears) -> int:
        executed = self.execute(container, argv, env)
        with hears.ending(lambda: None):
            hears(executed.output.encode())
        return executed.code

    def _proxy_list(self) -> Executed:
        return Executed(0, "")

    def _proxy_deploy(self, name: str, *flags: str) -> Executed:
        options = parse_flags(flags)
        targets = options["target"]
        certificate = options.get("tls-certificate-path")
        if certificate and not self.seen(certificate[0]).is_file():
            return Executed(1, "Error: unable to load certificate")
        if not all(map(self._answers, targets)):
            timeout = options["deploy-timeout"][0]
            return Executed(1, f"Error: target failed to become healthy within configured timeout ({timeout})")
        pause = self.routes.get(name, {}).get("pause_controller", {"state": 0})
        self.routes[name] = {"name": name, "active_targets": targets, "pause_controller": pause, **stored(options)}
        if self.fails_after_switch:
            self.fails_after_switch = False
            return Executed(1, "Error: the old target did not drain")
        return Executed(0, "")

    def _answers(self, target: str) -> bool:
        container = self.inspect(target.partition(":")[0])
        return target in self.elsewhere if container is None else not self._is_sick(container)

    def _is_sick(self, container: Mapping[str, Any]) -> bool:
        names = {container["Name"].lstrip("/").replace("_staged", ""), container["Config"]["Image"]}
        return container["State"]["Status"] != "running" or bool(names & self.sick)

    def _proxy_remove(self, name: str) -> Executed:
        return Executed(0, "") if self.routes.pop(name, None) else Executed(1, "Error: service not found")

    def _proxy_stop(self, name: str, *flags: str) -> Executed:
        return self._set_state(name, 2, parse_flags(flags).get("message", [""])[0])

    def _proxy_pause(self, name: str, *flags: str) -> Executed:
        return self._set_state(name, 1, "")

    def _proxy_resume(self, name: str) -> Executed:
        return self._set_state(name, 0, "")

    def _set_state(self, name: str, state: int, message: str) -> Executed:
        if name not in self.routes:
            return Executed(1, "Error: service not found")
        self.routes[name]["pause_controller"] = {"state": state, "stop_message": message}
        return Executed(0, "")


def content_id(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def configuration(image: Image) -> bytes:
    """What an engine keeps of an image; the hash of it is the image's ID."""
    return json.dumps({"created": image.created, "rootfs": {"diff_ids": list(image.layers)}}).encode()


def add_layered(engine: FakeEngine, reference: str, *layers: bytes) -> Image:
    """An image of these layers, under the ID that every engine gives it."""
    ids = [content_id(layer) for layer in layers]
    image_id = content_id(configuration(Image("", (), (), {}, ids, long_ago())))
    engine.stacks[image_id] = list(layers)
    engine.add_image(reference, image_id)
    image = engine.image(reference)
    assert image is not None
    return image


def tar(files: Mapping[str, bytes], owner: int = 0) -> bytes:
    """An archive of files by their names."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.uid = member.gid = owner
            member.size, member.mode, member.mtime = len(content), 0o640, 1_700_000_000
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def parse_flags(flags: tuple[str, ...]) -> dict[str, list[str]]:
    options: dict[str, list[str]] = {}
    for flag in flags:
        name, _equals, value = flag[2:].partition("=")
        options.setdefault(name, []).append(value if "=" in flag else "true")
    return options


def stored(options: dict[str, list[str]]) -> dict[str, Any]:
    """What kamal-proxy writes into its state file for these flags."""
    state: dict[str, Any] = {}
    for flag in _flags.FLAGS:
        if not flag.place:
            continue
        value = _value(flag, options)
        *folders, last = flag.place.split(".")
        place = state
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return state


def _value(flag: _flags.Flag, options: dict[str, list[str]]) -> Any:
    if flag.name not in options:
        return "tls" not in options if flag.name == "forward-headers" else flag.default
    words = options[flag.name]
    if flag.kind is values.DURATION:
        return duration(words[0])
    if flag.kind in (values.BOOLEAN, values.TLS, values.STAGING):
        return words[0] == "true"
    if flag.kind is values.INTEGER:
        return int(words[0])
    return words if isinstance(flag.default, tuple) else words[0]
