# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kamal-proxy container of a host, from the `proxy/run` section of a configuration."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from .. import _body, _references
from .._docker_run import options
from .._names import NETWORK, PROXY_APPS_CONFIG, PROXY_APPS_CONFIG_INSIDE, PROXY_VOLUME

# Those of the schema, which hosts do not have; a test compares them.
DEFAULTS: Mapping[str, Any] = {
    "http_port": 80,
    "https_port": 443,
    "publish": True,
    "log_max_size": "10m",
    "debug": False,
    "repository": "basecamp/kamal-proxy",
    "version": "v0.9.2",
}


def proxy_container(section: Mapping[str, Any]) -> Dict[str, Any]:
    """The kamal-proxy container of a host as a body, from the `proxy/run` section."""
    run = {**DEFAULTS, **section}
    image, size = _references.tagged(run["repository"], run["version"]), run["log_max_size"]
    body = _body.body(
        image=f"{run['registry']}/{image}" if run.get("registry") else image,
        env={},
        labels={},
        network=NETWORK,
        cmd=_command(run),
        volumes=(
            f"{PROXY_VOLUME}:/home/kamal-proxy/.config/kamal-proxy",
            f"{PROXY_APPS_CONFIG}:{PROXY_APPS_CONFIG_INSIDE}",
        ),
        logging={"options": {"max-size": size} if size else {}},
    )
    options.add_ports(_published(run), body)
    if "metrics_port" in run:
        options.apply({"expose": str(run["metrics_port"])}, body)
    options.apply(options.keep_network(run.get("options") or {}, body), body)
    return body


def _published(run: Mapping[str, Any]) -> List[str]:
    if not run["publish"]:
        return []
    pairs = [f"{run['http_port']}:80", f"{run['https_port']}:443"]
    addresses = [f"[{ip}]" if ":" in str(ip) else str(ip) for ip in run.get("bind_ips") or ()]
    return [f"{address}:{pair}" for address in addresses for pair in pairs] or pairs


def _command(run: Mapping[str, Any]) -> List[str]:
    """The command of the proxy container, from the `proxy/run` section."""
    argv = ["kamal-proxy", "run"]
    if run["debug"]:
        argv.append("--debug")
    if run.get("metrics_port"):
        argv.append(f"--metrics-port={run['metrics_port']}")
    return argv
