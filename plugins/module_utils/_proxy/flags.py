# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""kamal-proxy's language: its flags, its state file, its errors, and the keys of a configuration that mean them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from .._durations import duration
from .._errors import ConfigError, Problem, ProxyError
from .._names import short_id

LOGGED_HEADERS = ("Cache-Control", "Last-Modified", "User-Agent")
STATES = ("running", "paused", "stopped")
APP_PORT = 80
SECOND = 10**9
MEBIBYTE = 1024**2
_NO_HEADER = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]")


# Values: how a key is read from the configuration, from the state file, and written as a flag


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"must be a whole number, not {value!r}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {value!r}")
    return value.strip()


def _words(value: Any) -> Tuple[str, ...]:
    """A list, or one text with commas."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"must be a list of texts, not {value!r}")
    return tuple(word.strip() for word in words if word.strip())


def _nanoseconds(value: Any) -> int:
    """Seconds in the configuration; kamal-proxy counts nanoseconds."""
    if isinstance(value, str):
        return duration(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise ValueError(f"must be a number of seconds, not {value!r}")
    return round(value * SECOND)


def _path_prefixes(value: Any) -> Tuple[str, ...]:
    return tuple("/" + prefix.strip("/") for prefix in _words(value)) or ("/",)


def _header_names(value: Any) -> Tuple[str, ...]:
    """As Go writes them: a name with a character that no header has stays as it is."""
    return tuple(
        name if _NO_HEADER.search(name) else "-".join(part.capitalize() for part in name.split("-"))
        for name in _words(value)
    )


def _has_tls(value: Any) -> bool:
    return bool(value) if isinstance(value, Mapping) else _boolean(value)


def _is_staging(value: Any) -> bool:
    return bool(value)


def _stored_nanoseconds(value: Any) -> int:
    return int(value)


def _show_duration(value: int) -> str:
    for unit, size in (("s", SECOND), ("ms", 10**6)):
        if value % size == 0:
            return f"{value // size}{unit}"
    return f"{value}ns"


def _show_boolean(value: bool) -> str:
    return "true" if value else "false"


@dataclass(frozen=True)
class Kind:
    read: Callable[[Any], Any]
    show: Callable[[Any], str] = str
    stored: Optional[Callable[[Any], Any]] = None

    def load(self, value: Any) -> Any:
        return (self.stored or self.read)(value)


BOOLEAN = Kind(_boolean, _show_boolean)
DURATION = Kind(_nanoseconds, _show_duration, _stored_nanoseconds)
HEADERS = Kind(_header_names)
HOSTS = Kind(_words)
INTEGER = Kind(_integer)
PREFIXES = Kind(_path_prefixes)
STAGING = Kind(_boolean, _show_boolean, _is_staging)
TEXT = Kind(_text)
TLS = Kind(_has_tls, _show_boolean)


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
    Flag("host", ("hosts", "host"), "options.hosts", HOSTS, ()),
    Flag("path-prefix", ("path_prefixes", "path_prefix"), "options.path_prefixes", PREFIXES, ("/",)),
    Flag("strip-path-prefix", ("strip_path_prefix",), "options.strip_prefix", BOOLEAN, True),
    Flag("tls", ("ssl",), "options.tls_enabled", TLS, False),
    Flag("tls-staging", ("ssl_staging",), "options.acme_directory", STAGING, False),
    Flag("tls-certificate-path", (), "options.tls_certificate_path", TEXT, ""),
    Flag("tls-private-key-path", (), "options.tls_private_key_path", TEXT, ""),
    Flag("tls-acme-cache-path", (), "options.acme_cache_path", TEXT, None),
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


@dataclass(frozen=True)
class Service:
    """A service as kamal-proxy has it."""

    name: str
    options: Options
    targets: Tuple[str, ...]
    read_targets: Tuple[str, ...] = ()
    rollout_targets: Tuple[str, ...] = ()
    rollout: Optional[Mapping[str, Any]] = field(default=None)
    state: str = "running"
    message: str = ""


# Wanted: from the configuration


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
    values["deploy-timeout"] = _nanoseconds(deploy_timeout)
    values["drain-timeout"] = _nanoseconds(drain_timeout)
    values["error-pages"] = error_pages or ""
    if values["tls"] and tls_paths:
        values["tls-certificate-path"], values["tls-private-key-path"] = tls_paths
    if values["forward-headers"] is None:
        values["forward-headers"] = not values["tls"]
    return Options(values)


def _wanted(flag: Flag, proxy: Mapping[str, Any], wrong: List[Problem]) -> Any:
    for key in flag.keys:
        value = _look_up(proxy, key)
        if value is None:
            continue
        try:
            return flag.kind.read(value)
        except ValueError as error:
            wrong.append(Problem(str(error), key_path="proxy/" + key.replace(".", "/")))
    return flag.default if flag.unsaid is None else flag.unsaid


def _look_up(data: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def app_port(settings: Mapping[str, Any]) -> int:
    """The port that an app listens on, by its `proxy` section."""
    return int(settings.get("app_port", APP_PORT))


def target(container_id: str, port: int) -> str:
    """Docker's network resolves the short id of a container, and a name can be taken over by another container."""
    return f"{short_id(container_id)}:{port}"


# Found: from the state file


def parse_state(text: bytes) -> Dict[str, Service]:
    """The services in kamal-proxy's state file, by name."""
    try:
        data = json.loads(text)
        return {item["name"]: _service(item) for item in data or ()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProxyError(
            f"The state file of kamal-proxy cannot be read ({type(error).__name__}: {error}). It would start without "
            "any routes: deploy every service of this host again, then check with kamal-proxy list."
        ) from error


def _service(item: Mapping[str, Any]) -> Service:
    pause = item.get("pause_controller") or {}
    return Service(
        name=item["name"],
        options=_found(item),
        targets=_targets(item, "active"),
        read_targets=tuple(item.get("active_readers") or ()),
        rollout_targets=_targets(item, "rollout"),
        rollout=item.get("rollout_controller"),
        state=STATES[pause.get("state", 0)],
        message=pause.get("stop_message", ""),
    )


def _targets(item: Mapping[str, Any], slot: str) -> Tuple[str, ...]:
    """One target had a field of its own in older state files."""
    return tuple(item.get(f"{slot}_targets") or filter(None, [item.get(f"{slot}_target")]))


def _found(item: Mapping[str, Any]) -> Options:
    values: Dict[str, Any] = {}
    for flag in FLAGS:
        value = _look_up(item, flag.place) if flag.place else None
        if value is None and flag.name in ("host", "path-prefix"):
            value = item.get(flag.place.split(".")[1])
        values[flag.name] = flag.default if value is None else flag.kind.load(value)
    if "/" not in values["path-prefix"]:
        # kamal-proxy copies these from the service at the root path of the host, and refuses to be told them here.
        values["tls"], values["tls-redirect"] = False, True
    return Options(values)


# Wanted against found


def same_options(wanted: Options, found: Options) -> bool:
    return not diff(wanted, found)


def diff(wanted: Options, found: Options) -> Dict[str, Tuple[Any, Any]]:
    """Flag -> (found, wanted) where they differ; what the configuration leaves to kamal-proxy never differs."""
    before, after = found.lasting(), wanted.lasting()
    return {name: (before[name], after[name]) for name in after if after[name] not in (None, before[name])}


def routes_to(service: Optional[Service], wanted_target: str, wanted: Options) -> bool:
    """Whether a deploy would change nothing."""
    return service is not None and service.targets == (wanted_target,) and same_options(wanted, service.options)


# Commands


def deploy_argv(service: str, target: str, options: Options) -> List[str]:
    argv = ["kamal-proxy", "deploy", service, f"--target={target}"]
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


def remove_argv(service: str) -> List[str]:
    return ["kamal-proxy", "remove", service]


def stop_argv(service: str, drain_timeout: float, message: str = "") -> List[str]:
    argv = ["kamal-proxy", "stop", service, _seconds("drain-timeout", drain_timeout)]
    return [*argv, f"--message={message}"] if message else argv


def pause_argv(service: str, drain_timeout: float, max_pause: float) -> List[str]:
    return ["kamal-proxy", "pause", service, _seconds("drain-timeout", drain_timeout), _seconds("max-pause", max_pause)]


def resume_argv(service: str) -> List[str]:
    return ["kamal-proxy", "resume", service]


def list_argv() -> List[str]:
    return ["kamal-proxy", "list"]


def run_argv(run: Mapping[str, Any]) -> List[str]:
    """The command of the proxy container, from the `proxy/run` section."""
    argv = ["kamal-proxy", "run"]
    if run.get("debug"):
        argv.append("--debug")
    if run.get("metrics_port"):
        argv.append(f"--metrics-port={run['metrics_port']}")
    return argv


def _seconds(flag: str, value: float) -> str:
    return f"--{flag}={_show_duration(_nanoseconds(value))}"


# Errors

EXPLANATIONS = (
    (
        r"target failed to become healthy within configured timeout \((?P<what>[^)]*)\)",
        "The new container did not answer its health check with 2xx within {what}. Look at its logs; check "
        "proxy/app_port and proxy/healthcheck/path, or give it longer with deploy_timeout.",
    ),
    (
        "host settings conflict with another service",
        "Another service on this host already serves one of these hosts and paths. Give this one its own proxy/host or "
        "proxy/path_prefix, or remove the other (kamal-proxy list shows it).",
    ),
    (
        "service not found",
        "kamal-proxy does not know this service: it was never deployed on this host, or it was removed.",
    ),
    (
        "unable to load certificate",
        "kamal-proxy could not load the TLS certificate. Check that the secrets named in proxy/ssl hold a certificate "
        "and the private key that belongs to it, both PEM.",
    ),
    (
        "unable to load error pages",
        "kamal-proxy found no usable error pages. Put files like 503.html into error_pages_path, or remove that key.",
    ),
    (
        "automatic TLS does not support wildcards",
        "A certificate for a wildcard host cannot be fetched automatically. Name every host, or give proxy/ssl a "
        "certificate of your own.",
    ),
    ("rollout target not set", "There is no canary to send requests to: deploy one first."),
    (
        r"(?P<what>\S+) ?:invalid host pattern",
        "kamal-proxy was given a target that it cannot read: {what}. Check proxy/app_port.",
    ),
    (
        "max-re(quest|sponse)-body can only be set",
        "A limit on the body needs buffering: leave proxy/buffering/requests and responses on.",
    ),
    (
        "canonical-host '(?P<what>[^']*)' must be present",
        "proxy/canonical_host is {what}, which is not among proxy/hosts. Add it there.",
    ),
    (
        "TLS settings must be specified on the root path service",
        "proxy/ssl belongs to the service at the root path of the host. Remove it here: services below a path follow.",
    ),
    ("host must be set when using TLS", "proxy/ssl needs proxy/host: a certificate is for a name."),
    (
        r"dial unix .*(no such file|connection refused)",
        "kamal-proxy runs no process that answers. Look at the log of its container and reboot it.",
    ),
    (
        "unknown (flag|command)",
        "The kamal-proxy on this host is too old or new for this command. Reboot it with another proxy/run/version.",
    ),
)


def explain(stderr: str) -> str:
    """What kamal-proxy's error means and what to do about it; its own words stay at the end."""
    said = stderr.strip().split("Error: ", 1)[-1].strip()
    for pattern, words in EXPLANATIONS:
        match = re.search(pattern, said)
        if match:
            return f"{words.format(**match.groupdict())} (kamal-proxy: {said})"
    return (
        f"kamal-proxy refused: {said}"
        if said
        else "kamal-proxy failed and said nothing. Look at the log of its container."
    )
