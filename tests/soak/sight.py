# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at the lab's hosts, and at the Docker engine of this machine."""

from __future__ import annotations

from pathlib import Path

from hosts import Host
from leftovers import Container, Snapshot

MIB = 1024
PLACES = "/root /home/deploy /tmp /var/tmp /run/lock"
# Python is started on a test host by Ansible only. The process that is kept for modules ends by itself after a while.
MODULES, KEPT = "python3", "kamal-modules"


def snapshot(host: Host) -> Snapshot:
    rows = host.sh(
        'docker ps -a --format \'{{.Names}}|{{.State}}|{{.Label "caravan.version"}}|{{.Label "role"}}\''
    ).splitlines()
    return Snapshot(
        containers=tuple(Container(*row.split("|")) for row in rows),
        images=_names(host, "docker images --format '{{.Repository}}:{{.Tag}}'"),
        networks=_names(host, "docker network ls --format '{{.Name}}'"),
        volumes=_names(host, "docker volume ls -q"),
        files=_names(host, f"find {PLACES} -xdev 2>/dev/null || true"),
        modules=modules(host),
        memory=int(host.sh("awk '/^VmRSS/ {print $2}' /proc/$(pgrep -o -x dockerd)/status")) // MIB,
        disk=int(host.sh("du -sxk /var/lib/docker").split()[0]) // MIB,
    )


def _names(host: Host, command: str) -> frozenset[str]:
    return frozenset(host.sh(command).splitlines())


def modules(host: Host) -> int:
    return len(host.sh(f"pgrep {MODULES} || true").split())


def end_module(host: Host) -> bool:
    """Whether a module ran there and was ended; so is what ran it, if that is still there."""
    ended = bool(host.machine.run(f"pkill -9 {MODULES}").rc == 0)
    host.machine.run(f"pkill -9 {KEPT}")
    return ended


def engine_memory() -> int:
    """MiB of this machine's own dockerd: test hosts have theirs in process namespaces below this one."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() != "dockerd":
                continue
            fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        except OSError:
            continue
        if len(fields["NSpid"].split()) == 1:
            return int(fields["VmRSS"].split()[0]) // MIB
    return 0
