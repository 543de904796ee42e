# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an example cannot say about the builder, the registry, boot, options, hooks and aliases."""

from __future__ import annotations

import re
import shlex
from typing import Any, Iterator, List, Sequence, Tuple

from ...module_utils._docker_run.options import problems as option_problems
from ...module_utils._docker_run.values import RESTART_POLICIES, restart_policy
from .findings import Finding, near_miss, shown
from .topology import as_map, strings
from .view import View

HOOKS = (
    "broadcast",
    "docker-setup",
    "on-failure",
    "post-app-boot",
    "post-deploy",
    "post-proxy-reboot",
    "post-push",
    "pre-app-boot",
    "pre-build",
    "pre-connect",
    "pre-deploy",
    "pre-proxy-reboot",
)
COMMANDS = frozenset(  # fmt: skip
    (
        "accessory",
        "app",
        "audit",
        "build",
        "config",
        "deploy",
        "details",
        "docs",
        "help",
        "init",
        "lock",
        "proxy",
        "prune",
        "redeploy",
        "registry",
        "remove",
        "rollback",
        "secrets",
        "server",
        "setup",
        "upgrade",
        "version",
    )
)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i386": "386"}
_ALIAS = re.compile(r"[a-z0-9_-]+\Z")
_LIKE_A_SECRET = re.compile(r"(?:[A-Z]+|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\Z")


def commands(view: View) -> Iterator[Finding]:
    for path, command in (found for key in ("cmd", "backup", "ready") for found in view.sections(key)):
        try:
            shlex.split(command if isinstance(command, str) else "")
        except ValueError as error:
            yield path, f"found {shown(command)}, which cannot be split into words: {str(error).lower()}"


def asset_paths(view: View) -> Iterator[Finding]:
    """They are folders in the image; of several, none lies in another."""
    for path, value in view.sections("asset_path"):
        known: List[str] = []
        for word in strings(value):
            folder = word.partition(":")[0].rstrip("/")
            if not folder.startswith("/") or {"", ".."} & set(folder.split("/")[1:]):
                yield path, f"found {shown(word)}, expected the absolute path of a folder in the image"
            elif any(
                f"{one}/".startswith(f"{other}/") for each in known for one, other in ((folder, each), (each, folder))
            ):
                yield path, f"`{folder}` is named twice or lies in another folder of the list"
            known.append(folder)


def architectures(view: View) -> Iterator[Finding]:
    for arch in strings(as_map(view.data.get("builder")).get("arch")):
        if arch in ARCHITECTURES:
            yield ("builder", "arch"), f"found {shown(arch)}, Docker calls it `{ARCHITECTURES[arch]}`"


def builder_place(view: View) -> Iterator[Finding]:
    builder = as_map(view.data.get("builder"))
    remote = builder.get("remote")
    if builder.get("local") is False and not remote:
        yield ("builder", "local"), "with local: false a remote builder must be given in builder/remote"
    if view.registry_is_local and isinstance(remote, str) and "://" in remote and not remote.startswith("ssh://"):
        yield (
            ("builder", "remote"),
            f"found {shown(remote)}; with a registry on this machine it must be an ssh:// address",
        )


def builder_driver(view: View) -> Iterator[Finding]:
    builder = as_map(view.data.get("builder"))
    if builder.get("driver") != "docker":
        return
    for key in ("remote", "cache"):
        if key in builder:
            yield ("builder", key), "the docker driver cannot do this; use docker-container"
    if len(strings(builder.get("arch"))) > 1:
        yield ("builder", "arch"), "the docker driver builds for one architecture only; use docker-container"


def builder_cache(view: View) -> Iterator[Finding]:
    options = as_map(as_map(view.data.get("builder")).get("cache")).get("options")
    if any(option.startswith("token=") for option in str(options).split(",")):
        yield (
            ("builder", "cache", "options"),
            "a token in here would be seen in the list of processes; leave it out, and set ACTIONS_RUNTIME_TOKEN in "
            "the environment of the build",
        )


def builder_pack(view: View) -> Iterator[Finding]:
    builder = as_map(view.data.get("builder"))
    if "pack" in builder and len(strings(builder.get("arch"))) > 1:
        yield ("builder", "pack"), "buildpacks build for one architecture only; give one in builder/arch"


def registries(view: View) -> Iterator[Finding]:
    for path, registry in view.sections("registry"):
        settings = as_map(registry)
        for key in ("username", "password"):
            value = settings.get(key)
            if value in ("", [""]):
                yield path + (key,), f"found {shown(value)}, expected the {key} or the name of a secret in a list"
            elif isinstance(value, list) and (len(value) != 1 or not strings(value)):
                yield path + (key,), f"found {len(value)} entries, expected the name of exactly one secret"
        for key, other in (("username", "password"), ("password", "username")):
            if key in settings and other not in settings:
                yield path + (other,), f"this key is missing; {key} is given and a login needs both"


def passwords(view: View) -> Iterator[Finding]:
    """The value is not repeated: it may be the password after all."""
    for path, registry in view.sections("registry"):
        password = as_map(registry).get("password")
        if isinstance(password, str) and _LIKE_A_SECRET.match(password):
            yield (
                (*path, "password"),
                "is the password itself, and looks like the name of a secret. If it is one, put it in brackets, as in "
                "password: [NAME]",
            )


def boot_limit(view: View) -> Iterator[Finding]:
    limit = as_map(view.data.get("boot")).get("limit")
    if isinstance(limit, (dict, list)) or limit is None:
        return
    if not re.match(r"0*[1-9][0-9]{0,6}\Z|[0-9]{1,6}(\.[0-9]{1,6})?%\Z", str(limit)):
        yield (
            ("boot", "limit"),
            f"found {shown(limit)}, expected a number of hosts from 1 on, or a percentage such as 25%",
        )


def more_than_all(view: View) -> Iterator[Finding]:
    percent = re.match(r"([0-9]+)(?:\.[0-9]+)?%", str(as_map(view.data.get("boot")).get("limit")))
    if percent and int(percent.group(1)) > 100:
        yield (
            ("boot", "limit"),
            "is more than all hosts, so they go live in one batch, as with 100%; leave it out for that, or write less",
        )


def docker_options(view: View) -> Iterator[Finding]:
    for path, options in _options(view):
        for name, message in option_problems(options):
            if name == "name" and path[0] == "accessories" and "proxy" not in path:
                message = "the container of an accessory has the name of its `service`; write it there"
            if name != "restart":
                yield path + (name,), message


def restart_policies(view: View) -> Iterator[Finding]:
    for path, options in _options(view):
        if "restart" not in options:
            continue
        policy = options["restart"]
        if policy is False:
            yield path + ("restart",), 'found false, which is how YAML reads no; write "no" in quotes'
        elif not _is_restart_policy(policy):
            no, *others = RESTART_POLICIES
            allowed = ", ".join((f'"{no}"', *others, f"{others[-1]}:N"))
            near = near_miss(str(policy), others)
            yield path + ("restart",), f"found {shown(policy)}, allowed: {allowed}{near}"


def _is_restart_policy(policy: Any) -> bool:
    try:
        return isinstance(policy, str) and bool(restart_policy(policy))
    except ValueError:
        return False


def _options(view: View) -> Iterator[Tuple[Tuple[Any, ...], Any]]:
    for path, options in view.sections("options"):
        yield path, as_map(options)
    for path, settings in view.proxies():
        yield path + ("run", "options"), as_map(as_map(settings.get("run")).get("options"))


def hooks_output(view: View) -> Iterator[Finding]:
    output = view.data.get("hooks_output")
    values = output.items() if isinstance(output, dict) else [("", output)]
    for name, value in values:
        if value is None or isinstance(value, (dict, list)):
            continue
        word = str(value).lstrip(":")
        if word not in ("quiet", "verbose"):
            near = near_miss(word, ("quiet", "verbose"))
            path: Tuple[Any, ...] = ("hooks_output", name) if name else ("hooks_output",)
            yield path, f"found {shown(value)}, allowed: `quiet`, `verbose`{near}"


def aliases(view: View) -> Iterator[Finding]:
    for name in as_map(view.data.get("aliases")):
        if not _ALIAS.match(name):
            yield ("aliases", name), "an alias has only lowercase letters, digits, - and _"
        elif name in COMMANDS:
            yield ("aliases", name), f"{name} is a command of its own; choose another name"


RULES: Sequence[Any] = (
    asset_paths,
    commands,
    architectures,
    builder_place,
    builder_driver,
    builder_cache,
    builder_pack,
    registries,
    boot_limit,
    docker_options,
    restart_policies,
    hooks_output,
    aliases,
)
NOTICES: Sequence[Any] = (passwords, more_than_all)
