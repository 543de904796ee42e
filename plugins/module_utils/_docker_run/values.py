# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One word of an option as what the API wants. Each parser raises ValueError("must be …") for a word that is wrong."""

from __future__ import annotations

import csv
import ipaddress
import json
import re
from decimal import Decimal, InvalidOperation
from typing import Callable, Iterable, List, Pattern, Sequence, Tuple

from .._names import OWN_LABELS
from .tree import Body

# fmt: off
ULIMITS = (
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue",
    "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
)
# fmt: on
# The last one may carry a number of attempts.
RESTART_POLICIES = ("no", "always", "unless-stopped", "on-failure")


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
    if name not in RESTART_POLICIES or (colon and not re.fullmatch(r"\d+", count)):
        raise ValueError(f"must be one of {', '.join(RESTART_POLICIES)}, on-failure:N, not {word!r}")
    if colon and name != RESTART_POLICIES[-1]:
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


def device_pair(key: str, parse: Callable[[str], int]) -> Callable[[str], Body]:
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


def fields_of(word: str) -> List[str]:
    """The parts between commas; a part with a comma stands in quotes."""
    try:
        return next(csv.reader([word]))
    except (csv.Error, StopIteration):
        raise ValueError(f"must be parts with commas between them, not {word!r}") from None


def _gpu_fields(word: str) -> Iterable[Tuple[str, str]]:
    """A value without a name counts GPUs, or goes on with the devices before it: device=0,1."""
    fields: List[Tuple[str, str]] = []
    for part in fields_of(text(word).strip("'")):
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
