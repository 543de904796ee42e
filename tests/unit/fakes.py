# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Docker engine with a kamal-proxy, in memory: it keeps what it is told and can be made to misbehave."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

from ansible_collections.caravan.kamal.plugins.module_utils._docker_run.options import duration
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError, ImageError
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Container, Executed, Image
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import flags as _flags

PROXY = "kamal-proxy"


class FakeEngine:
    """`calls` holds every call that changed something. Names or images in `dying` exit at once, those in `sick` start
    but never become healthy."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.here: dict[str, dict[str, Any]] = {}
        self.pictures: dict[str, Image] = {}
        self.networks: set[str] = set()
        self.registry: dict[str, Image] = {}
        self.pulled_with: Any = None
        self.dying: set[str] = set()
        self.sick: set[str] = set()
        self.unstartable: dict[str, EngineError] = {}
        self.fails_after_switch = False
        self.routes: dict[str, dict[str, Any]] = {}
        self.output: dict[str, str] = {}
        self.stop_timeouts: dict[str, int | None] = {}
        self._numbers = itertools.count(1)

    # What tests arrange

    def add_image(
        self, reference: str, image_id: str, service: str | None = "hello", digest: str | None = None
    ) -> Image:
        labels = {"service": service} if service else {}
        old = next((image for image in self.pictures.values() if image.id == image_id), None)
        tags = [*(old.tags if old else ()), reference]
        for name, image in list(self.pictures.items()):
            if reference in image.tags and image.id != image_id:
                self.pictures[name] = Image(image.id, [t for t in image.tags if t != reference], (), image.labels)
        made = Image(image_id, tags, [f"{reference.rpartition(':')[0]}@{digest}"] if digest else (), labels)
        for tag in tags:
            self.pictures[tag] = made
        return made

    def add(self, name: str, image_id: str = "i0", state: str = "running", **labels: str) -> dict[str, Any]:
        """A container that was there before, as Kamal or an earlier release made it."""
        self.create(name, {"Image": image_id, "Labels": labels, "Env": []})
        self.here[name]["State"]["Status"] = state
        self.calls.clear()
        return self.here[name]

    def boot_proxy(self) -> None:
        self.add(PROXY, "basecamp/kamal-proxy:v0.9.2")

    @property
    def running(self) -> set[str]:
        return {name for name, found in self.here.items() if found["State"]["Status"] == "running"}

    def target(self, route: str) -> str:
        """The container that a route leads to."""
        address = self.routes[route]["active_targets"][0]
        return next((name for name, found in self.here.items() if address.startswith(found["Id"][:12])), str(address))

    # Containers

    def _find(self, name: str) -> tuple[str, dict[str, Any]]:
        for known, found in self.here.items():
            if name in (known, found["Id"]) or (len(name) >= 12 and found["Id"].startswith(name)):
                return known, found
        raise EngineError(f"Docker could not do it: No such container: {name}")

    def containers(self, *labels: str) -> list[Container]:
        wanted = [label.partition("=") for label in labels]
        found = [
            item
            for item in self.here.items()
            if all(
                name in item[1]["Config"]["Labels"] and (not equals or item[1]["Config"]["Labels"][name] == value)
                for name, equals, value in wanted
            )
        ]
        return sorted((self._listed(*item) for item in found), key=lambda container: -container.created)

    def _listed(self, name: str, found: dict[str, Any]) -> Container:
        state = found["State"]["Status"]
        health = f" ({found['State']['Health']['Status']})" if "Health" in found["State"] else ""
        return Container(
            id=found["Id"],
            name=name,
            state=state,
            image_id=found["Image"],
            created=found["CreatedNumber"],
            image=found["Config"]["Image"],
            status=("Up 2 minutes" if state == "running" else "Exited (0) 2 minutes ago") + health,
            labels=found["Config"]["Labels"],
        )

    def inspect(self, name: str) -> dict[str, Any] | None:
        try:
            return copy.deepcopy(self._find(name)[1])
        except EngineError:
            return None

    def create(self, name: str, body: dict[str, Any]) -> str:
        if name in self.here:
            raise EngineError(f"Docker could not create {name}: the name is in use")
        self.calls.append(f"create {name}")
        number = next(self._numbers)
        image = self.pictures.get(body["Image"])
        self.here[name] = {
            "Id": f"{number:064x}"[::-1],
            "Name": f"/{name}",
            "CreatedNumber": number,
            "Image": image.id if image else body["Image"],
            "RestartCount": 0,
            "State": {"Status": "created", "ExitCode": 0},
            "Config": {**body, "Labels": dict(body.get("Labels") or {})},
        }
        return str(self.here[name]["Id"])

    def start(self, name: str) -> None:
        known, found = self._find(name)
        self.calls.append(f"start {known}")
        if known in self.unstartable:
            raise self.unstartable[known]
        dies = {known, found["Config"]["Image"]} & self.dying
        found["State"].update(Status="exited" if dies else "running", ExitCode=1 if dies else 0)

    def stop(self, name: str, timeout: int | None) -> None:
        known, found = self._find(name)
        self.calls.append(f"stop {known}")
        self.stop_timeouts[known] = timeout
        if found["State"]["Status"] == "running":
            found["State"].update(Status="exited", ExitCode=0)

    def rename(self, name: str, new: str) -> None:
        known, found = self._find(name)
        if new in self.here:
            raise EngineError(f"Docker could not rename: the name {new} is in use")
        self.calls.append(f"rename {known} {new}")
        del self.here[known]
        self.here[new] = found

    def remove(self, name: str) -> None:
        found = self.inspect(name)
        if found:
            known = self._find(name)[0]
            self.calls.append(f"remove {known}")
            del self.here[known]

    def logs(self, name: str, lines: int | None, since: int | None = None, timestamps: bool = False) -> str:
        text = self.output.get(self._find(name)[0], "").splitlines()
        return "\n".join(text if lines is None else text[-lines:])

    # Images and networks

    def image(self, reference: str) -> Image | None:
        return self.pictures.get(reference)

    def images(self, label: str) -> list[Image]:
        name, _equals, value = label.partition("=")
        unique = {image.id: image for image in self.pictures.values()}
        return [image for image in unique.values() if image.labels.get(name) == value]

    def pull(self, reference: str, credentials: Any) -> None:
        self.calls.append(f"pull {reference}")
        self.pulled_with = credentials
        if reference not in self.registry:
            raise ImageError(f"The registry has no image {reference}.")
        image = self.registry[reference]
        self.pictures[reference] = image

    def tag(self, reference: str, repository: str, tag: str) -> None:
        self.calls.append(f"tag {reference} {repository}:{tag}")
        image = self.pictures[reference] if reference in self.pictures else self._image_of(reference)
        self.add_image(f"{repository}:{tag}", image.id, image.labels.get("service"))

    def _image_of(self, image_id: str) -> Image:
        return next(image for image in self.pictures.values() if image.id == image_id)

    def remove_image(self, reference: str) -> None:
        self.calls.append(f"remove image {reference}")
        self.pictures.pop(reference, None)

    def has_network(self, name: str) -> bool:
        return name in self.networks

    def create_network(self, name: str) -> None:
        self.calls.append(f"create network {name}")
        self.networks.add(name)

    # kamal-proxy

    def read_file(self, container: str, path: str) -> str | None:
        return json.dumps(list(self.routes.values())) if self.routes else None

    def execute(self, container: str, argv: list[str]) -> Executed:
        known, found = self._find(container)
        if found["State"]["Status"] != "running":
            raise EngineError(f"Docker could not run it: container {known} is not running")
        if argv[1] != "list":
            self.calls.append(" ".join(argv[:3]))
        return getattr(self, f"_proxy_{argv[1]}")(*argv[2:])

    def _proxy_list(self) -> Executed:
        return Executed(0, "")

    def _proxy_deploy(self, name: str, *flags: str) -> Executed:
        said = parse_flags(flags)
        target = said["target"][0]
        container = self.inspect(target.partition(":")[0])
        sick = container is None or container["State"]["Status"] != "running"
        if sick or {self._find(container["Id"])[0], container["Config"]["Image"]} & self.sick:
            timeout = said["deploy-timeout"][0]
            return Executed(1, f"Error: target failed to become healthy within configured timeout ({timeout})")
        pause = self.routes.get(name, {}).get("pause_controller", {"state": 0})
        self.routes[name] = {"name": name, "active_targets": [target], "pause_controller": pause, **stored(said)}
        if self.fails_after_switch:
            self.fails_after_switch = False
            return Executed(1, "Error: the old target did not drain")
        return Executed(0, "")

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


def parse_flags(flags: tuple[str, ...]) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for flag in flags:
        name, _equals, value = flag[2:].partition("=")
        said.setdefault(name, []).append(value if "=" in flag else "true")
    return said


def stored(said: dict[str, list[str]]) -> dict[str, Any]:
    """What kamal-proxy writes into its state file for these flags."""
    state: dict[str, Any] = {}
    for flag in _flags.FLAGS:
        if not flag.place:
            continue
        value = _value(flag, said)
        *folders, last = flag.place.split(".")
        place = state
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return state


def _value(flag: _flags.Flag, said: dict[str, list[str]]) -> Any:
    if flag.name not in said:
        return "tls" not in said if flag.name == "forward-headers" else flag.default
    words = said[flag.name]
    if flag.kind is _flags.DURATION:
        return duration(words[0])
    if flag.kind in (_flags.BOOLEAN, _flags.TLS, _flags.STAGING):
        return words[0] == "true"
    if flag.kind is _flags.INTEGER:
        return int(words[0])
    return words if isinstance(flag.default, tuple) else words[0]
