# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table: every option of `docker run`, and where it goes in the body of `POST /containers/create`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Sequence, Tuple

from .._durations import duration
from .mounts import bind, mount, tmpfs
from .ports import expose, publish
from .tree import Body, Path, merge, nest, network_mode, place_of, put
from .values import (
    address,
    any_address,
    device,
    device_pair,
    entrypoint,
    extra_host,
    gpus,
    label,
    matching,
    nano_cpus,
    no_check,
    number,
    one_of,
    pair,
    restart_policy,
    security_option,
    shell_check,
    size,
    size_or_unlimited,
    text,
    ulimit,
    variable,
)

NETWORK = "@network"


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
                    merge(body, nest(place, value))
                else:
                    put(body, place, value)


def one(path: str, parse: Callable[[str], Any] = text) -> Flag:
    """An option with one value: the last one wins."""
    return Flag((place_of(path),), parse)


def switch(path: str) -> Flag:
    """An option without a value."""
    return Flag((place_of(path),), lambda _word: True, switch=True)


def items(*paths: str, parse: Callable[[str], Any] = text) -> Flag:
    """An option that may be repeated, for a list in one or more places."""
    return Flag(tuple(place_of(path) for path in paths), lambda word: [parse(word)], many=True)


def pairs(path: str, parse: Callable[[str], Tuple[str, str]] = pair) -> Flag:
    """An option that may be repeated, for a map."""
    return Flag((place_of(path),), lambda word: dict([parse(word)]), many=True)


def fragments(parse: Callable[[str], Body]) -> Flag:
    """An option that may be repeated, of which each value reaches several places."""
    return Flag(((),), parse, many=True)


ENDPOINT = f"NetworkingConfig.EndpointsConfig.{NETWORK}"
WHOLE = number(0)

# In the order in which they are written: the network first, because others are settings of its endpoint.
FLAGS: Dict[str, Flag] = {
    "network": one("HostConfig.NetworkMode", matching(r"[^\s=,]+", "a single network's name")),
    "add-host": items("HostConfig.ExtraHosts", parse=extra_host),
    "annotation": pairs("HostConfig.Annotations"),
    "blkio-weight": one("HostConfig.BlkioWeight", number(10, 1000)),
    "blkio-weight-device": items("HostConfig.BlkioWeightDevice", parse=device_pair("Weight", number(10, 1000))),
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
    "device-read-bps": items("HostConfig.BlkioDeviceReadBps", parse=device_pair("Rate", size)),
    "device-read-iops": items("HostConfig.BlkioDeviceReadIOps", parse=device_pair("Rate", WHOLE)),
    "device-write-bps": items("HostConfig.BlkioDeviceWriteBps", parse=device_pair("Rate", size)),
    "device-write-iops": items("HostConfig.BlkioDeviceWriteIOps", parse=device_pair("Rate", WHOLE)),
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
        (("MacAddress",), place_of(f"{ENDPOINT}.MacAddress")),
        matching("[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", "92:d0:c6:0a:29:33"),
    ),
    "memory": one("HostConfig.Memory", size),
    "memory-reservation": one("HostConfig.MemoryReservation", size),
    "memory-swap": one("HostConfig.MemorySwap", size_or_unlimited),
    "memory-swappiness": one("HostConfig.MemorySwappiness", number(-1, 100)),
    "mount": items("HostConfig.Mounts", parse=mount),
    "network-alias": items(f"{ENDPOINT}.Aliases"),
    "no-healthcheck": Flag((place_of("Healthcheck.Test"),), no_check, switch=True),
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
