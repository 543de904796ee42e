# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The flags of `kamal-proxy deploy`: one table, the values that a configuration gives them, and the command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .._errors import ConfigError, Problem
from .._names import short_id
from .values import BOOLEAN, DURATION, HEADERS, HOSTS, INTEGER, PREFIXES, SECOND, STAGING, TEXT, TLS, Kind, nanoseconds

LOGGED_HEADERS = ("Cache-Control", "Last-Modified", "User-Agent")
APP_PORT = 80
MEBIBYTE = 1024**2


@dataclass(frozen=True)
class Flag:
    """A flag of `deploy`: its keys below `proxy`, its place in the state, kamal-proxy's default and ours (`unsaid`)."""

    name: str
    keys: Tuple[str, ...]
    place: str
    kind: Kind
    default: Any
    unsaid: Any = None
    always: bool = False


# In the order of `kamal-proxy deploy --help`. Where the default is None, kamal-proxy works it out itself.
FLAGS = (
    Flag("read-target", ("read_targets",), "active_readers", HOSTS, ()),
    Flag("host", ("hosts", "host"), "options.hosts", HOSTS, ()),
    Flag("path-prefix", ("path_prefixes", "path_prefix"), "options.path_prefixes", PREFIXES, ("/",)),
    Flag("strip-path-prefix", ("strip_path_prefix",), "options.strip_prefix", BOOLEAN, True),
    Flag("tls", ("ssl",), "options.tls_enabled", TLS, False),
    Flag("tls-staging", ("ssl_staging",), "options.acme_directory", STAGING, False),
    Flag("tls-certificate-path", (), "options.tls_certificate_path", TEXT, ""),
    Flag("tls-private-key-path", (), "options.tls_private_key_path", TEXT, ""),
    Flag("tls-acme-cache-path", ("ssl_cache_path",), "options.acme_cache_path", TEXT, None),
    Flag("tls-redirect", ("ssl_redirect",), "options.tls_redirect", BOOLEAN, True),
    Flag("canonical-host", ("canonical_host",), "options.canonical_host", TEXT, ""),
    Flag("deploy-timeout", (), "", DURATION, 30 * SECOND, always=True),
    Flag("drain-timeout", (), "", DURATION, 30 * SECOND, always=True),
    Flag(
        "health-check-interval",
        ("healthcheck.interval",),
        "target_options.health_check_config.interval",
        DURATION,
        SECOND,
    ),
    Flag(
        "health-check-timeout",
        ("healthcheck.timeout",),
        "target_options.health_check_config.timeout",
        DURATION,
        5 * SECOND,
    ),
    Flag("health-check-path", ("healthcheck.path",), "target_options.health_check_config.path", TEXT, "/up"),
    Flag("health-check-port", ("healthcheck.port",), "target_options.health_check_config.port", INTEGER, 0),
    Flag("health-check-host", ("healthcheck.host",), "target_options.health_check_config.host", TEXT, ""),
    Flag("writer-affinity-timeout", ("writer_affinity_timeout",), "options.writer_affinity_timeout", DURATION, SECOND),
    Flag(
        "read-target-websockets", ("read_target_websockets",), "options.read_targets_accept_websockets", BOOLEAN, False
    ),
    Flag("target-timeout", ("response_timeout",), "target_options.response_timeout", DURATION, 30 * SECOND),
    Flag("buffer-requests", ("buffering.requests",), "target_options.buffer_requests", BOOLEAN, False, True, True),
    Flag("buffer-responses", ("buffering.responses",), "target_options.buffer_responses", BOOLEAN, False, True, True),
    Flag("buffer-memory", ("buffering.memory",), "target_options.max_memory_buffer_size", INTEGER, MEBIBYTE),
    Flag("max-request-body", ("buffering.max_request_body",), "target_options.max_request_body_size", INTEGER, 0),
    Flag("max-response-body", ("buffering.max_response_body",), "target_options.max_response_body_size", INTEGER, 0),
    Flag("error-pages", (), "options.error_page_path", TEXT, ""),
    Flag(
        "log-request-header",
        ("logging.request_headers",),
        "target_options.log_request_headers",
        HEADERS,
        (),
        LOGGED_HEADERS,
    ),
    Flag("log-response-header", ("logging.response_headers",), "target_options.log_response_headers", HEADERS, ()),
    Flag("forward-headers", ("forward_headers",), "target_options.forward_headers", BOOLEAN, None),
    Flag("scope-cookie-paths", ("scope_cookie_paths",), "target_options.scope_cookie_paths", BOOLEAN, False),
)
TRANSIENT = tuple(flag.name for flag in FLAGS if not flag.place)


@dataclass(frozen=True)
class Options:
    """The value of every flag of `deploy`, whether it would be sent or not."""

    values: Mapping[str, Any]

    def lasting(self) -> Dict[str, Any]:
        """What kamal-proxy keeps; timeouts of the deploy itself it forgets."""
        return {name: value for name, value in self.values.items() if name not in TRANSIENT}

    def shown(self) -> Dict[str, Any]:
        """For a diff: what kamal-proxy keeps, as it would be typed."""
        return {flag.name: _shown(flag, self.values[flag.name]) for flag in FLAGS if flag.name in self.lasting()}


def options(
    proxy: Mapping[str, Any],
    *,
    deploy_timeout: float,
    drain_timeout: float,
    error_pages: Optional[str] = None,
    tls_paths: Optional[Tuple[str, str]] = None,
) -> Options:
    """The `proxy` section of a role or accessory as kamal-proxy's options; the paths are those inside the container."""
    wrong: List[Problem] = []
    values = {flag.name: _wanted(flag, proxy, wrong) for flag in FLAGS}
    if wrong:
        raise ConfigError(wrong)
    values["deploy-timeout"] = nanoseconds(deploy_timeout)
    values["drain-timeout"] = nanoseconds(drain_timeout)
    values["error-pages"] = error_pages or ""
    if values["tls"] and tls_paths:
        values["tls-certificate-path"], values["tls-private-key-path"] = tls_paths
    if values["forward-headers"] is None:
        values["forward-headers"] = not values["tls"]
    return Options(values)


def _wanted(flag: Flag, proxy: Mapping[str, Any], wrong: List[Problem]) -> Any:
    for key in flag.keys:
        value = look_up(proxy, key)
        if value is None:
            continue
        try:
            return flag.kind.read(value)
        except ValueError as error:
            wrong.append(Problem(str(error), key_path="proxy/" + key.replace(".", "/")))
    return flag.default if flag.unsaid is None else flag.unsaid


def look_up(data: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def app_port(settings: Mapping[str, Any]) -> int:
    """The port that an app listens on, by its `proxy` section."""
    return int(settings.get("app_port", APP_PORT))


def target(container_id: str, port: int) -> str:
    """Docker's network resolves the short id of a container, and a name can be taken over by another container."""
    return f"{short_id(container_id)}:{port}"


def diff(wanted: Options, current: Options) -> Dict[str, Tuple[Any, Any]]:
    """Flag -> (current, wanted) where they differ; what the configuration leaves to kamal-proxy never differs."""
    before, after = current.lasting(), wanted.lasting()
    return {name: (before[name], after[name]) for name in after if after[name] not in (None, before[name])}


def deploy_argv(service: str, targets: Union[str, Sequence[str]], options: Options) -> List[str]:
    every = [targets] if isinstance(targets, str) else targets
    argv = ["kamal-proxy", "deploy", service, *(f"--target={target}" for target in every)]
    for flag in FLAGS:
        value = options.values[flag.name]
        default = not options.values["tls"] if flag.name == "forward-headers" else flag.default
        if flag.always or value not in (None, default):
            argv += _arguments(flag, value)
    return argv


def _arguments(flag: Flag, value: Any) -> List[str]:
    if isinstance(value, tuple):
        return [f"--{flag.name}={word}" for word in value]
    return [f"--{flag.name}"] if value is True else [f"--{flag.name}={flag.kind.show(value)}"]


def _shown(flag: Flag, value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return flag.kind.show(value) if isinstance(value, int) and flag.kind is DURATION else value
