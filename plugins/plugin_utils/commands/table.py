# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kamal's command tree, line by line, and what does the same here.

What playbooks print as their help, what aliases are read by, and the table in docs/from-kamal.md follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Tuple

REST = "..."
# In place of a variable: the option takes a value that makes no difference here.
UNUSED = "unused"


@dataclass(frozen=True)
class Command:
    """`options` says for an option of Kamal's, with its short form behind a slash, which variable takes its value, or
    `VARIABLE=VALUE` for a switch; nothing where the switch makes no difference here. `arguments` are the variables that
    take what has no option; one that ends with REST takes all that is left. `sets` belongs to the command itself.
    `needs` says if these have to be given, `also` which variables of options have to. `note` is what is different, or
    without a `playbook` what to do instead. `only_in` is the Kamal that has the command, where Kamal 2 has not."""

    words: str
    playbook: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    arguments: Tuple[str, ...] = ()
    sets: Tuple[str, ...] = ()
    needs: bool = True
    also: Tuple[str, ...] = ()
    note: str = ""
    only_in: str = ""

    @property
    def needed(self) -> Tuple[str, ...]:
        """The variables that it cannot do without."""
        return (*self.also, *(name.replace(REST, "") for name in self.arguments if self.needs))


# Of every command. What begins with a dash is an option of Ansible's.
FRAME: Dict[str, str] = {
    "--version": "kamal_version",
    "--destination/-d": "kamal_destination",
    "--config-file/-c": "-i",
    "--hosts/-h": "--limit",
    "--roles/-r": "kamal_roles",
    "--primary/-p": "kamal_primary=true",
    "--skip-hooks/-H": "kamal_skip_hooks=true",
    "--lock-wait": "kamal_lock_wait=900",
    "--lock-wait-timeout": "kamal_lock_wait",
    "--lock-wait-interval": UNUSED,
    "--verbose/-v": "-v",
    "--quiet/-q": "",
}
_NO_CACHE = {"--no-cache": "kamal_build_cache=false"}
_PUSH = {"--skip-push/-P": "kamal_build=false", **_NO_CACHE}
_YES = {"--confirmed/-y": "kamal_confirm=true"}
_LOGS = {
    "--since/-s": "kamal_logs_since",
    "--lines/-n": "kamal_logs_lines",
    "--grep/-g": "kamal_logs_grep",
    "--grep-options": "kamal_logs_grep_options",
    "--follow/-f": "kamal_logs_follow=true",
    "--skip-timestamps/-T": "kamal_logs_timestamps=false",
}
_EXEC = {"--interactive/-i": "kamal_interactive=true", "--reuse": "kamal_reuse=true", "--raw": ""}
_TERMINAL = (
    "without a terminal here, the one `ssh` command that opens one is printed; raw bytes go to a file, `-e kamal_raw=…`"
)
_STORE = {
    "--adapter/-a": "kamal_secrets_adapter",
    "--account": "kamal_secrets_account",
    "--from": "kamal_secrets_from",
}
_ACCESSORY = ("kamal_accessory",)
_PART = "a part of `remove`, which takes all of it"
_DATA = "data goes with `-e kamal_accessory_data=delete -e kamal_confirm_data=true`"
_SKIP_LOCAL = {"--skip-local/-L": ""}
_LOGIN = "tries the login from every host, so no `--skip-remote`; it is kept nowhere"

COMMANDS: Tuple[Command, ...] = (
    Command("init", "init", note="no `--bundle`: there is no gem"),
    Command("setup", "setup", _PUSH),
    Command("deploy", "deploy", _PUSH),
    Command("redeploy", "redeploy", _PUSH),
    Command(
        "rollback", "rollback", {}, ("kamal_version",), needs=False, note="without a version, to the previous good one"
    ),
    Command("details", "details"),
    Command("audit", "audit"),
    Command("config", "config", note="also shows the file as it was merged"),
    Command("docs", "docs", {}, ("kamal_docs_section",), needs=False),
    Command("remove", "remove", _YES, note=_DATA),
    Command(
        "upgrade",
        "upgrade",
        {"--rolling": "kamal_proxy_rolling=true", **_YES},
        note="[from Kamal 1](#coming-from-kamal-1), rolling by itself",
    ),
    Command("version", "version"),
    Command(
        "app logs",
        "app.logs",
        {**_LOGS, "--container-id": "kamal_logs_container"},
        note="follows every host and role at once, over deploys",
    ),
    Command("app containers", "app.containers", note="one table for all hosts"),
    Command("app images", "app.images", note="one table for all hosts"),
    Command("app version", "app.version", note="one table for all hosts"),
    Command("app details", "details", note="with kamal-proxy and accessories"),
    Command(
        "app maintenance",
        "app.maintenance",
        {"--drain-timeout": "kamal_maintenance_drain_timeout", "--message": "kamal_maintenance_message"},
    ),
    Command("app live", "app.live"),
    Command("app boot", "app.boot", note="the version that is live, not the tag `latest`"),
    Command("app start", "app.start", note="what was live last, proven before the next batch"),
    Command("app stop", "app.stop"),
    Command(
        "app exec",
        "app.exec",
        {**_EXEC, "--env/-e": "kamal_cmd_env", "--detach": "kamal_detach=true"},
        (f"kamal_cmd{REST}",),
        note=_TERMINAL,
    ),
    Command("app stale_containers", "app.stale", {"--stop/-s": "kamal_stop=true"}, note="nothing that gets requests"),
    Command("app remove", "app.remove", note="asks for `kamal_confirm`"),
    Command("app remove_container", note="a part of `app.remove`"),
    Command("app remove_containers", note="a part of `app.remove`"),
    Command("app remove_images", note="a part of `app.remove`"),
    Command("app remove_app_directories", note="a part of `app.remove`"),
    Command("proxy boot", "proxy.boot"),
    Command("proxy start", "proxy.start"),
    Command("proxy stop", "proxy.stop"),
    Command("proxy restart", "proxy.restart", note="host by host"),
    Command(
        "proxy reboot", "proxy.reboot", {"--rolling": "kamal_proxy_rolling=true", **_YES}, note="rolling by itself"
    ),
    Command("proxy details", "proxy.details"),
    Command("proxy logs", "proxy.logs", _LOGS),
    Command(
        "proxy boot_config",
        "proxy.boot_config",
        {},
        ("kamal_proxy_boot_config",),
        needs=False,
        note="`get` and `reset`; instead of `set`: [`proxy/run`](proxy.md#how-it-is-run)",
    ),
    Command("proxy remove", "proxy.remove", {"--force": "kamal_proxy_force=true"}, note="asks for `kamal_confirm`"),
    Command("proxy remove_container", note=_PART),
    Command("proxy remove_image", note="the image stays"),
    Command("proxy remove_proxy_directory", note=_PART),
    Command(
        "proxy upgrade",
        "proxy.upgrade",
        {"--rolling": "kamal_proxy_rolling=true", **_YES},
        note="to the image and settings of `proxy/run`, rolling by itself; from Traefik: `upgrade`",
    ),
    Command("accessory boot", "accessory.boot", {}, _ACCESSORY),
    Command("accessory reboot", "accessory.reboot", {}, _ACCESSORY),
    Command("accessory start", "accessory.start", {}, _ACCESSORY),
    Command("accessory stop", "accessory.stop", {}, _ACCESSORY),
    Command("accessory restart", "accessory.restart", {}, _ACCESSORY),
    Command("accessory details", "accessory.details", {}, _ACCESSORY),
    Command(
        "accessory exec",
        "accessory.exec",
        {**_EXEC, "--env/-e": "kamal_cmd_env"},
        ("kamal_accessory", f"kamal_cmd{REST}"),
        note=_TERMINAL,
    ),
    Command("accessory logs", "accessory.logs", _LOGS, _ACCESSORY),
    Command(
        "accessory upgrade",
        "accessory.upgrade",
        {"--rolling": "", "--confirmed/-y": ""},
        _ACCESSORY,
        note="always host by host, and only where the registry has a newer image",
    ),
    Command(
        "accessory remove",
        "accessory.remove",
        _YES,
        _ACCESSORY,
        note=_DATA,
    ),
    Command("accessory pull_image", "accessory.upgrade", {}, _ACCESSORY, note="and replaces what runs"),
    Command("accessory upload", note="`accessory.boot` writes the files of one that differs"),
    Command("accessory directories", note="`accessory.boot` makes them"),
    Command("accessory remove_container", note=_PART),
    Command("accessory remove_image", note=_PART),
    Command("accessory remove_service_directory", note="`accessory.remove` with `-e kamal_accessory_data=delete`"),
    Command("build deliver", "build.deliver", _NO_CACHE),
    Command("build push", "build.push", _NO_CACHE, note="no `--output`: into the registry only"),
    Command("build pull", "build.pull"),
    Command("build create", "build.create"),
    Command("build remove", "build.remove"),
    Command("build details", "build.details"),
    Command("build dev", "build.dev", _NO_CACHE, note="no `--output`: into the engine only"),
    Command("registry setup", "registry.setup", _SKIP_LOCAL, note=f"{_LOGIN}; starts one at `localhost:PORT`"),
    Command("registry login", "registry.login", _SKIP_LOCAL, note=_LOGIN),
    Command(
        "registry logout",
        "registry.logout",
        _SKIP_LOCAL,
        note="removes what `docker login` or Kamal left on hosts, so no `--skip-remote`",
    ),
    Command(
        "registry remove",
        "registry.remove",
        note="also the registry on this machine, whoever started it; for `--skip-local` take `registry.logout`; no "
        "`--skip-remote`",
    ),
    Command("server bootstrap", "server.bootstrap"),
    Command(
        "server exec",
        "server.exec",
        {"--interactive/-i": "kamal_interactive=true", "--raw": ""},
        (f"kamal_cmd{REST}",),
        note=_TERMINAL,
    ),
    Command("prune all", "prune.all"),
    Command("prune containers", "prune.containers", {"--retain": "kamal_prune_retain"}),
    Command("prune images", "prune.images"),
    Command("lock status", "lock.status"),
    Command("lock acquire", "lock.acquire", {"--message/-m": "kamal_lock_message"}, also=("kamal_lock_message",)),
    Command("lock release", "lock.release", note="whoever holds it"),
    Command(
        "secrets fetch",
        "secrets.fetch",
        _STORE,
        (f"kamal_secrets_names{REST}",),
        also=("kamal_secrets_adapter",),
        note="values with `-e kamal_secrets_show=true`",
    ),
    Command(
        "secrets extract",
        "secrets.extract",
        {},
        ("kamal_secrets_names",),
        note="with the variables of `secrets.fetch`, or `kamal_secrets_fetched` from a file",
    ),
    Command("secrets print", "secrets.print", note="values with `-e kamal_secrets_show=true`"),
    Command(
        "broadcast", "broadcast", {}, (f"kamal_broadcast{REST}",), only_in="Kamal before 1.0, when it was called MRSK"
    ),
    Command("env push", "env.push", only_in="Kamal 1"),
    Command("env delete", "env.delete", only_in="Kamal 1"),
)


def by_words() -> Dict[str, Command]:
    return {command.words: command for command in COMMANDS}


def of_playbook(playbook: str) -> List[Command]:
    return [command for command in COMMANDS if command.playbook == playbook]
