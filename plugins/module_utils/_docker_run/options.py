# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of `docker run`, and where each one goes in the body of the API's POST /containers/create."""

from __future__ import annotations

import csv
import difflib
import ipaddress
import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Callable, Dict, Iterable, List, Mapping, Pattern, Sequence, Tuple

from .._durations import duration
from .._errors import ConfigError, Problem

Body = Dict[str, Any]
Path = Tuple[str, ...]

NETWORK = "@network"
OWN_LABELS = ("service", "role", "destination")
PROTOCOLS = ("tcp", "udp", "sctp")
# fmt: off
ULIMITS = (
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue",
    "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
)
# fmt: on
NO_ENDPOINT = ("host", "none")


# Values: each parser takes one word and gives what the API wants, or raises ValueError("must be …").


def text(word: str) -> str:
    if not word.strip():
        raise ValueError("must not be empty")
    return word


def number(lowest: int, highest: float = float("inf")) -> Callable[[str], int]:
    limits = f"of at least {lowest}" if highest == float("inf") else f"from {lowest} to {int(highest)}"

    def parse(word: str) -> int:
        if not re.fullmatch(r"-?\d+", word) or not lowest <= int(word) <= highest:
            raise ValueError(f"must be a whole number {limits}, not {word!r}")
        return int(word)

    return parse


def size(word: str) -> int:
    """Bytes, with or without a binary unit: 512m, 1g, 1.5GiB, 1024."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([bkmgtp]?)(?:i?b)?", word.lower())
    if not match:
        raise ValueError(f"must be a size such as 512m or 1g, not {word!r}")
    return int(Decimal(match[1]) * 1024 ** max("bkmgtp".find(match[2] or "b"), 0))


def size_or_unlimited(word: str) -> int:
    return -1 if word == "-1" else size(word)


def nano_cpus(word: str) -> int:
    try:
        count = Decimal(word)
    except InvalidOperation:
        count = Decimal(0)
    if not count.is_finite() or count <= 0:
        raise ValueError(f"must be a number of CPUs such as 2 or 1.5, not {word!r}")
    return int(count * 10**9)


def one_of(*allowed: str, prefixes: Sequence[str] = ()) -> Callable[[str], str]:
    shown = ", ".join([*allowed, *(f"{prefix}NAME" for prefix in prefixes)])

    def parse(word: str) -> str:
        if word in allowed or any(word.startswith(prefix) and word != prefix for prefix in prefixes):
            return word
        raise ValueError(f"must be one of {shown}, not {word!r}")

    return parse


def matching(pattern: str, example: str) -> Callable[[str], str]:
    compiled: Pattern[str] = re.compile(pattern)

    def parse(word: str) -> str:
        if not compiled.fullmatch(word):
            raise ValueError(f"must look like {example}, not {word!r}")
        return word

    return parse


def address(version: int) -> Callable[[str], str]:
    def parse(word: str) -> str:
        try:
            if ipaddress.ip_address(word).version == version:
                return word
        except ValueError:
            pass
        raise ValueError(f"must be an IPv{version} address, not {word!r}")

    return parse


def any_address(word: str) -> str:
    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        raise ValueError(f"must be an IP address, not {word!r}") from None


def pair(word: str) -> Tuple[str, str]:
    name, equals, value = word.partition("=")
    if not name or not equals:
        raise ValueError(f"must be NAME=value, not {word!r}")
    return name, value


def label(word: str) -> Tuple[str, str]:
    name, _rest, value = word.partition("=")
    if not name:
        raise ValueError(f"must be NAME=value, not {word!r}")
    if name in OWN_LABELS or name.startswith("caravan."):
        raise ValueError(f"must not set the label {name}: containers are found by it")
    return name, value


def variable(word: str) -> str:
    name, equals, _value = word.partition("=")
    if not name or not equals:
        raise ValueError(f"must be NAME=value, not {word!r}: there is no shell on the host to take a value from")
    return word


def extra_host(word: str) -> str:
    match = re.fullmatch(r"([^:=\s]+)[:=](\S+)", word)
    if not match:
        raise ValueError(f"must be NAME:IP, not {word!r}")
    target = match[2].strip("[]")
    return f"{match[1]}:{target if target == 'host-gateway' else any_address(target)}"


def entrypoint(word: str) -> List[str]:
    return [text(word)]


def shell_check(word: str) -> List[str]:
    return ["CMD-SHELL", text(word)]


def no_check(_word: str) -> List[str]:
    return ["NONE"]


def restart_policy(word: str) -> Body:
    name, colon, count = word.partition(":")
    if name not in ("no", "always", "unless-stopped", "on-failure") or (colon and not re.fullmatch(r"\d+", count)):
        raise ValueError(f"must be one of no, always, unless-stopped, on-failure, on-failure:N, not {word!r}")
    if colon and name != "on-failure":
        raise ValueError(f"may carry a number of attempts only as on-failure:N, not {word!r}")
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def ulimit(word: str) -> Body:
    match = re.fullmatch(r"([a-z]+)=(-1|\d+)(?::(-1|\d+))?", word)
    if not match:
        raise ValueError(f"must look like nofile=1024 or nofile=1024:2048, not {word!r}")
    if match[1] not in ULIMITS:
        raise ValueError(f"must limit one of {', '.join(ULIMITS)}, not {match[1]!r}")
    soft = int(match[2])
    hard = int(match[3] or soft)
    if hard != -1 and (soft == -1 or soft > hard):
        raise ValueError(f"must not have a soft limit above the hard one: {word!r}")
    return {"Name": match[1], "Soft": soft, "Hard": hard}


def _device_pair(key: str, parse: Callable[[str], int]) -> Callable[[str], Body]:
    def parse_pair(word: str) -> Body:
        path, colon, value = word.rpartition(":")
        if not colon or not path.startswith("/dev/"):
            raise ValueError(f"must be /dev/NAME:VALUE, not {word!r}")
        return {"Path": path, key: parse(value)}

    return parse_pair


def device(word: str) -> Body:
    if re.fullmatch(r"[^/=]+/[^/=]+=.+", word):
        return {"HostConfig": {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": [word]}]}}
    parts = word.split(":")
    if len(parts) == 2 and re.fullmatch("[rwm]{1,3}", parts[1]):
        parts.insert(1, parts[0])
    if len(parts) > 3 or not parts[0].startswith("/") or not re.fullmatch("[rwm]{1,3}", (parts + ["", ""])[2] or "r"):
        raise ValueError(f"must look like /dev/fuse or /dev/sda:/dev/xvda:rwm, not {word!r}")
    inside = parts[1] if len(parts) > 1 else parts[0]
    permissions = parts[2] if len(parts) > 2 else "rwm"
    entry = {"PathOnHost": parts[0], "PathInContainer": inside, "CgroupPermissions": permissions}
    return {"HostConfig": {"Devices": [entry]}}


def gpus(word: str) -> Body:
    request: Body = {"Driver": "", "Count": 0, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}}
    for name, value in _gpu_fields(word):
        if name == "count":
            request["Count"] = -1 if value == "all" else number(1)(value)
        elif name == "device":
            request["DeviceIDs"] += value.split(",")
        elif name == "capabilities":
            request["Capabilities"] = [sorted({"gpu", *value.split(",")})]
        elif name == "driver":
            request["Driver"] = value
        else:
            raise ValueError("must be all, a number, or fields of count, device, driver and capabilities")
    if not request["DeviceIDs"] and not request["Count"]:
        request["Count"] = -1
    return request


def _gpu_fields(word: str) -> Iterable[Tuple[str, str]]:
    """A value without a name counts GPUs, or goes on with the devices before it: device=0,1."""
    fields: List[Tuple[str, str]] = []
    for part in next(csv.reader([text(word).strip("'")])):
        name, equals, value = part.partition("=")
        if equals:
            fields.append((name, value))
        elif fields:
            fields.append((fields[-1][0], name))
        else:
            fields.append(("count", name))
    return fields


def security_option(word: str) -> Body:
    if word == "systempaths=unconfined":
        return {"HostConfig": {"MaskedPaths": [], "ReadonlyPaths": []}}
    name, _rest, value = word.replace(":", "=", 1).partition("=") if "=" not in word else word.partition("=")
    if name == "seccomp" and value not in ("unconfined", "builtin") and not _is_json(value):
        raise ValueError("must hold the profile itself in one line of JSON, unconfined or builtin, not a file name")
    return {"HostConfig": {"SecurityOpt": [text(word)]}}


def _is_json(value: str) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False


def tmpfs(word: str) -> Tuple[str, str]:
    path, _rest, options = word.partition(":")
    if not path.startswith("/"):
        raise ValueError(f"must look like /run or /run:size=64m, not {word!r}")
    return path, options


# Volumes and mounts


def bind(spec: str) -> Body:
    """`[SOURCE:]PATH[:MODE]`, a folder or volume in a container, as a fragment of the create body."""
    parts = spec.split(":")
    if len(parts) == 1 and spec.startswith("/"):
        return {"Volumes": {spec: {}}}
    if len(parts) not in (2, 3) or not parts[1].startswith("/") or parts[1] == "/":
        raise ValueError(f"must look like /on/host:/in/container, NAME:/in/container or …:ro, not {spec!r}")
    if not re.fullmatch(r"\.{0,2}/.*|[A-Za-z0-9][\w.-]+", parts[0]):
        raise ValueError(
            "must start with an absolute path on the host, one below the SSH user's home that begins with ./, or the "
            f"name of a volume, not {parts[0]!r}"
        )
    return {"HostConfig": {"Binds": [spec]}}


def _yes(value: str) -> bool:
    if value.lower() not in ("", "1", "0", "t", "f", "true", "false"):
        raise ValueError(f"must be true or false in a mount, not {value!r}")
    return value.lower() in ("", "1", "t", "true")


def _octal(value: str) -> int:
    return int(matching("[0-7]{1,4}", "1770")(value), 8)


def _driver_option(value: str) -> Body:
    return dict([pair(value)])


MOUNT_FIELDS: Dict[str, Tuple[Path, Callable[[str], Any]]] = {
    "type": (("Type",), one_of("bind", "volume", "tmpfs", "image", "cluster")),
    "source": (("Source",), text),
    "target": (("Target",), matching("/.+", "target=/data")),
    "readonly": (("ReadOnly",), _yes),
    "consistency": (("Consistency",), one_of("default", "consistent", "cached", "delegated")),
    "bind-propagation": (
        ("BindOptions", "Propagation"),
        one_of("rprivate", "private", "rshared", "shared", "rslave", "slave"),
    ),
    "bind-nonrecursive": (("BindOptions", "NonRecursive"), _yes),
    "bind-create-src": (("BindOptions", "CreateMountpoint"), _yes),
    "volume-nocopy": (("VolumeOptions", "NoCopy"), _yes),
    "volume-label": (("VolumeOptions", "Labels"), _driver_option),
    "volume-driver": (("VolumeOptions", "DriverConfig", "Name"), text),
    "volume-opt": (("VolumeOptions", "DriverConfig", "Options"), _driver_option),
    "volume-subpath": (("VolumeOptions", "Subpath"), text),
    "image-subpath": (("ImageOptions", "Subpath"), text),
    "tmpfs-size": (("TmpfsOptions", "SizeBytes"), size),
    "tmpfs-mode": (("TmpfsOptions", "Mode"), _octal),
}
MOUNT_ALIASES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}


def mount(word: str) -> Body:
    entry: Body = {"Type": "volume"}
    for part in next(csv.reader([text(word)])):
        key, _rest, value = part.partition("=")
        name = MOUNT_ALIASES.get(key, key)
        if name not in MOUNT_FIELDS:
            raise ValueError(f"must not have the field {key!r}; fields are {', '.join(sorted(MOUNT_FIELDS))}")
        path, parse = MOUNT_FIELDS[name]
        _merge(entry, _nest(path, parse(value)))
    if "Target" not in entry:
        raise ValueError(f"must name a target, as in type=bind,source=/srv/data,target=/data, not {word!r}")
    if entry["Type"] == "bind" and not entry.get("Source", "").startswith("/"):
        raise ValueError("must give a bind mount an absolute source path on the host")
    return entry


# Ports


def _ports(word: str) -> List[int]:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"must have ports from 1 to 65535, alone or as a range like 8000-8010, not {word!r}")
    return list(range(first, last + 1))


def _container_ports(spec: str) -> Tuple[List[int], str]:
    ports, _rest, protocol = spec.partition("/")
    if (protocol or "tcp") not in PROTOCOLS:
        raise ValueError(f"must use one of {', '.join(PROTOCOLS)}, not {protocol!r}")
    return _ports(ports), protocol or "tcp"


def expose(word: str) -> Body:
    ports, protocol = _container_ports(word)
    return {"ExposedPorts": {f"{port}/{protocol}": {} for port in ports}}


def _split_publish(spec: str) -> Tuple[str, str, str]:
    rest, _rest, container = spec.rpartition(":")
    ip, _rest, host = rest.rpartition(":")
    ip = ip[1:-1] if ip.startswith("[") and ip.endswith("]") else ip
    return any_address(ip) if ip else "", host, container


def port_bindings(spec: str) -> Dict[str, List[Dict[str, str]]]:
    """`[[IP:]HOST:]CONTAINER[/PROTOCOL]`, ports alone or as ranges, as the API's PortBindings."""
    ip, host, container = _split_publish(spec)
    inside, protocol = _container_ports(container)
    outside = [str(port) for port in _ports(host)] if host else [""] * len(inside)
    if len(inside) == 1 and len(outside) > 1:
        outside = [host]
    if len(outside) != len(inside):
        raise ValueError(f"must have two ranges of the same length, not {spec!r}")
    return {f"{port}/{protocol}": [{"HostIp": ip, "HostPort": here}] for port, here in zip(inside, outside)}


def publish(spec: str) -> Body:
    """A published port as a fragment of the create body."""
    bindings = port_bindings(spec)
    return {"ExposedPorts": {port: {} for port in bindings}, "HostConfig": {"PortBindings": bindings}}


# The table


@dataclass(frozen=True)
class Flag:
    """Where an option goes; no path means that the parser gives a fragment of the whole body."""

    paths: Tuple[Path, ...]
    parse: Callable[[str], Any]
    many: bool = False
    switch: bool = False

    def write(self, body: Body, words: Sequence[str]) -> None:
        for word in words:
            value = self.parse(word)
            for path in self.paths:
                place = tuple(network_mode(body) if part == NETWORK else part for part in path)
                if self.many or not place:
                    _merge(body, _nest(place, value))
                else:
                    _put(body, place, value)


def _path(dotted: str) -> Path:
    return tuple(dotted.split(".")) if dotted else ()


def one(path: str, parse: Callable[[str], Any] = text) -> Flag:
    return Flag((_path(path),), parse)


def switch(path: str) -> Flag:
    return Flag((_path(path),), lambda _word: True, switch=True)


def items(*paths: str, parse: Callable[[str], Any] = text) -> Flag:
    return Flag(tuple(_path(path) for path in paths), lambda word: [parse(word)], many=True)


def pairs(path: str, parse: Callable[[str], Tuple[str, str]] = pair) -> Flag:
    return Flag((_path(path),), lambda word: dict([parse(word)]), many=True)


def fragments(parse: Callable[[str], Body]) -> Flag:
    return Flag(((),), parse, many=True)


ENDPOINT = f"NetworkingConfig.EndpointsConfig.{NETWORK}"
WHOLE = number(0)

# In the order in which they are written: the network first, because others are settings of its endpoint.
FLAGS: Dict[str, Flag] = {
    "network": one("HostConfig.NetworkMode", matching(r"[^\s=,]+", "a single network's name")),
    "add-host": items("HostConfig.ExtraHosts", parse=extra_host),
    "annotation": pairs("HostConfig.Annotations"),
    "blkio-weight": one("HostConfig.BlkioWeight", number(10, 1000)),
    "blkio-weight-device": items("HostConfig.BlkioWeightDevice", parse=_device_pair("Weight", number(10, 1000))),
    "cap-add": items("HostConfig.CapAdd"),
    "cap-drop": items("HostConfig.CapDrop"),
    "cgroup-parent": one("HostConfig.CgroupParent"),
    "cgroupns": one("HostConfig.CgroupnsMode", one_of("host", "private")),
    "cpu-period": one("HostConfig.CpuPeriod", WHOLE),
    "cpu-quota": one("HostConfig.CpuQuota", number(-1)),
    "cpu-rt-period": one("HostConfig.CpuRealtimePeriod", WHOLE),
    "cpu-rt-runtime": one("HostConfig.CpuRealtimeRuntime", WHOLE),
    "cpu-shares": one("HostConfig.CpuShares", WHOLE),
    "cpus": one("HostConfig.NanoCpus", nano_cpus),
    "cpuset-cpus": one("HostConfig.CpusetCpus", matching(r"\d+(-\d+)?(,\d+(-\d+)?)*", "0-3 or 0,1")),
    "cpuset-mems": one("HostConfig.CpusetMems", matching(r"\d+(-\d+)?(,\d+(-\d+)?)*", "0-3 or 0,1")),
    "device": fragments(device),
    "device-cgroup-rule": items(
        "HostConfig.DeviceCgroupRules", parse=matching(r"[abc] (\d+|\*):(\d+|\*) [rwm]{1,3}", "c 1:3 mr")
    ),
    "device-read-bps": items("HostConfig.BlkioDeviceReadBps", parse=_device_pair("Rate", size)),
    "device-read-iops": items("HostConfig.BlkioDeviceReadIOps", parse=_device_pair("Rate", WHOLE)),
    "device-write-bps": items("HostConfig.BlkioDeviceWriteBps", parse=_device_pair("Rate", size)),
    "device-write-iops": items("HostConfig.BlkioDeviceWriteIOps", parse=_device_pair("Rate", WHOLE)),
    "dns": items("HostConfig.Dns", parse=any_address),
    "dns-option": items("HostConfig.DnsOptions"),
    "dns-search": items("HostConfig.DnsSearch"),
    "domainname": one("Domainname"),
    "entrypoint": one("Entrypoint", entrypoint),
    "env": items("Env", parse=variable),
    "expose": fragments(expose),
    "gpus": items("HostConfig.DeviceRequests", parse=gpus),
    "group-add": items("HostConfig.GroupAdd"),
    "health-cmd": one("Healthcheck.Test", shell_check),
    "health-interval": one("Healthcheck.Interval", duration),
    "health-retries": one("Healthcheck.Retries", WHOLE),
    "health-start-interval": one("Healthcheck.StartInterval", duration),
    "health-start-period": one("Healthcheck.StartPeriod", duration),
    "health-timeout": one("Healthcheck.Timeout", duration),
    "hostname": one("Hostname"),
    "init": switch("HostConfig.Init"),
    "interactive": switch("OpenStdin"),
    "ip": one(f"{ENDPOINT}.IPAMConfig.IPv4Address", address(4)),
    "ip6": one(f"{ENDPOINT}.IPAMConfig.IPv6Address", address(6)),
    "ipc": one("HostConfig.IpcMode", one_of("none", "private", "shareable", "host", prefixes=["container:"])),
    "isolation": one("HostConfig.Isolation", one_of("default", "process", "hyperv")),
    "label": pairs("Labels", label),
    "link": items("HostConfig.Links", f"{ENDPOINT}.Links", parse=matching(r"[\w.-]+(:[\w.-]+)?", "NAME:ALIAS")),
    "link-local-ip": items(f"{ENDPOINT}.IPAMConfig.LinkLocalIPs", parse=any_address),
    "log-driver": one("HostConfig.LogConfig.Type"),
    "log-opt": pairs("HostConfig.LogConfig.Config"),
    "mac-address": Flag(
        (("MacAddress",), _path(f"{ENDPOINT}.MacAddress")),
        matching("[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", "92:d0:c6:0a:29:33"),
    ),
    "memory": one("HostConfig.Memory", size),
    "memory-reservation": one("HostConfig.MemoryReservation", size),
    "memory-swap": one("HostConfig.MemorySwap", size_or_unlimited),
    "memory-swappiness": one("HostConfig.MemorySwappiness", number(-1, 100)),
    "mount": items("HostConfig.Mounts", parse=mount),
    "network-alias": items(f"{ENDPOINT}.Aliases"),
    "no-healthcheck": Flag((_path("Healthcheck.Test"),), no_check, switch=True),
    "oom-kill-disable": switch("HostConfig.OomKillDisable"),
    "oom-score-adj": one("HostConfig.OomScoreAdj", number(-1000, 1000)),
    "pid": one("HostConfig.PidMode", one_of("host", prefixes=["container:"])),
    "pids-limit": one("HostConfig.PidsLimit", number(-1)),
    # The API takes it beside the body, in the query: whoever creates the container moves it there.
    "platform": one("Platform", matching(r"[a-z0-9]+(/[a-z0-9_]+){0,2}", "linux/amd64")),
    "privileged": switch("HostConfig.Privileged"),
    "publish": fragments(publish),
    "publish-all": switch("HostConfig.PublishAllPorts"),
    "read-only": switch("HostConfig.ReadonlyRootfs"),
    "restart": one("HostConfig.RestartPolicy", restart_policy),
    "runtime": one("HostConfig.Runtime"),
    "security-opt": fragments(security_option),
    "shm-size": one("HostConfig.ShmSize", size),
    "stop-signal": one("StopSignal", matching(r"[A-Z0-9+-]+|\d+", "SIGTERM")),
    "stop-timeout": one("StopTimeout", number(-1)),
    "storage-opt": pairs("HostConfig.StorageOpt"),
    "sysctl": pairs("HostConfig.Sysctls"),
    "tmpfs": pairs("HostConfig.Tmpfs", tmpfs),
    "tty": switch("Tty"),
    "ulimit": items("HostConfig.Ulimits", parse=ulimit),
    "user": one("User"),
    "userns": one("HostConfig.UsernsMode", one_of("host")),
    "uts": one("HostConfig.UTSMode", one_of("host")),
    "volume": fragments(bind),
    "volume-driver": one("HostConfig.VolumeDriver"),
    "volumes-from": items("HostConfig.VolumesFrom"),
    "workdir": one("WorkingDir"),
}

_DETACHED = "does nothing here: containers run detached"
_WINDOWS = "is for Windows containers only"
REFUSED = {
    "attach": _DETACHED,
    "cidfile": "does nothing here: containers are found by name and label",
    "cpu-count": _WINDOWS,
    "cpu-percent": _WINDOWS,
    "detach": _DETACHED,
    "detach-keys": _DETACHED,
    "disable-content-trust": "is gone from Docker",
    "env-file": "would name a file on the host that nobody writes; use env with clear and secret",
    "help": "makes no sense here",
    "io-maxbandwidth": _WINDOWS,
    "io-maxiops": _WINDOWS,
    "kernel-memory": "is gone from Docker; use memory",
    "label-file": "would name a file on the host that nobody writes; use labels",
    "name": "cannot be chosen: containers are found by their name",
    "pull": "does nothing here: the image is pulled before the container is created",
    "quiet": _DETACHED,
    "rm": "would remove the container that a rollback starts again",
    "sig-proxy": _DETACHED,
    "use-api-socket": "is an experiment of the docker command, which is not used here",
}
SHORT = {
    "c": "cpu-shares",
    "dns-opt": "dns-option",
    "e": "env",
    "h": "hostname",
    "i": "interactive",
    "l": "label",
    "m": "memory",
    "net": "network",
    "net-alias": "network-alias",
    "p": "publish",
    "t": "tty",
    "u": "user",
    "v": "volume",
    "w": "workdir",
}
EXCLUDING = (
    ("no-healthcheck", ("health-cmd", "health-interval", "health-retries", "health-timeout", "health-start-period")),
    ("cpus", ("cpu-period", "cpu-quota")),
)


# The two questions


def problems(options: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """What is wrong with these options: (option, message)."""
    found = [(str(name), message) for name, value in options.items() for message in _wrong(str(name), value)]
    return found + list(_conflicts({name for name, value in options.items() if value is not False}))


def apply(options: Mapping[str, Any], body: Body) -> None:
    """Write the options into a create body: lists grow, maps merge, single values are replaced."""
    wrong = problems(options)
    if wrong:
        raise ConfigError([Problem(message, key_path=f"options/{name}") for name, message in wrong])
    before = network_mode(body)
    for name, flag in FLAGS.items():
        if name in options:
            flag.write(body, _words(flag, options[name]))
            if name == "network":
                _move_endpoint(body, before)
    if "Env" in options or "env" in options:
        body["Env"] = list({line.partition("=")[0]: line for line in body.get("Env", [])}.values())


def add_ports(specs: Iterable[str], body: Body) -> None:
    """Publish ports as `--publish` does."""
    apply({"publish": list(specs)}, body)


def add_volumes(specs: Iterable[str], body: Body) -> None:
    """Bind folders and volumes as `--volume` does."""
    apply({"volume": list(specs)}, body)


def network_mode(body: Mapping[str, Any]) -> str:
    return str(body.get("HostConfig", {}).get("NetworkMode") or "bridge")


def _wrong(name: str, value: Any) -> Iterable[str]:
    flag = FLAGS.get(name)
    if flag is None:
        yield _unknown(name)
    elif name == "restart" and value is False:
        yield 'must be text: put no in quotes ("no"), because YAML reads a bare no as false'
    else:
        try:
            flag.write({}, _words(flag, value))
        except ValueError as error:
            yield str(error)


def _unknown(name: str) -> str:
    dashed = name.lstrip("-").replace("_", "-")
    if name in REFUSED:
        return REFUSED[name]
    known = SHORT.get(dashed) or (dashed if dashed in FLAGS else None)
    near = [known] if known else difflib.get_close_matches(dashed, FLAGS, n=1)
    return "is not an option of docker run" + (f"; did you mean {near[0]}?" if near else "")


def _conflicts(given: Iterable[Any]) -> Iterable[Tuple[str, str]]:
    names = set(given)
    for name, others in EXCLUDING:
        for other in sorted(names.intersection(others)) if name in names else ():
            yield name, f"cannot go together with {other}"
    if "memory-swap" in names and "memory" not in names:
        yield "memory-swap", "needs memory beside it"


def _words(flag: Flag, value: Any) -> List[str]:
    """Kamal's rules: true is a bare flag, a list repeats it, false leaves it out."""
    if value is False:
        return []
    if flag.switch:
        if value is not True:
            raise ValueError(f"must be true or false, not {value!r}")
        return [""]
    if isinstance(value, (list, tuple)):
        if not flag.many:
            raise ValueError("takes one value, not a list")
        return [_word(item) for item in value]
    return [_word(value)]


def _word(value: Any) -> str:
    if value is None:
        raise ValueError("has no value: write one, or false to leave the option out")
    if isinstance(value, bool):
        raise ValueError("needs a value: it is no switch")
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"must be text, a number or a list of them, not {value!r}")
    return str(value)


def _move_endpoint(body: Body, before: str) -> None:
    """Settings of the old network's endpoint belong to the chosen network, if that can have any."""
    endpoints = body.get("NetworkingConfig", {}).get("EndpointsConfig", {})
    after = network_mode(body)
    if before in endpoints and after != before:
        settings = endpoints.pop(before)
        if after not in NO_ENDPOINT and not after.startswith("container:"):
            endpoints[after] = settings


def _nest(path: Path, value: Any) -> Any:
    for part in reversed(path):
        value = {part: value}
    return value


def _put(body: Body, path: Path, value: Any) -> None:
    for part in path[:-1]:
        body = body.setdefault(part, {})
    body[path[-1]] = value


def _merge(into: Body, fragment: Mapping[str, Any]) -> None:
    for key, value in fragment.items():
        known = into.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            _merge(known, value)
        elif isinstance(value, list) and isinstance(known, list):
            known.extend(item for item in value if item not in known)
        else:
            into[key] = value
