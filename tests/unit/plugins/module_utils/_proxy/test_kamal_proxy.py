# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""kamal-proxy's commands, and its state file as v0.9.2 wrote it (data/kamal_proxy.state)."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError, ProxyError, StateError
from ansible_collections.caravan.kamal.plugins.module_utils._names import PROXY_STATE
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import commands, errors, flags, settings, state
from hypothesis import given
from hypothesis import strategies as st

STATE = (Path(__file__).resolve().parents[3] / "data" / "kamal_proxy.state").read_text()
APPS = "/home/kamal-proxy/.apps-config/full"
TARGET = "127.0.0.1:31080"
KAMAL_DEFAULTS = [
    "--deploy-timeout=30s",
    "--drain-timeout=30s",
    "--buffer-requests",
    "--buffer-responses",
    "--log-request-header=Cache-Control",
    "--log-request-header=Last-Modified",
    "--log-request-header=User-Agent",
]

# The configurations with which the captured state file was made.
FULL = {
    "hosts": ["a.example.com", "www.example.com"],
    "ssl": {"certificate_pem": "CERT", "private_key_pem": "KEY"},
    "ssl_redirect": False,
    "ssl_staging": True,
    "canonical_host": "www.example.com",
    "strip_path_prefix": False,
    "healthcheck": {"interval": 1, "timeout": 3, "path": "/health", "port": 31081, "host": "health.example.com"},
    "writer_affinity_timeout": 2.5,
    "read_target_websockets": True,
    "response_timeout": 45,
    "buffering": {
        "requests": True,
        "responses": False,
        "memory": 2097152,
        "max_request_body": 1000,
        "max_response_body": 2000,
    },
    "logging": {"request_headers": ["x-one", "X-Two"], "response_headers": ["x-three"]},
    "forward_headers": True,
    "scope_cookie_paths": True,
}
CAPTURED = {
    "full": (
        FULL,
        {"error_pages": f"{APPS}/error_pages/v1", "tls_paths": (f"{APPS}/tls/cert.pem", f"{APPS}/tls/key.pem")},
    ),
    "plain": ({}, {}),
    "paths": ({"host": "a.example.com, b.example.com", "path_prefix": "/api/, /v2"}, {}),
    "off": (
        {
            "host": "off.example.com",
            "buffering": {"requests": False, "responses": False, "max_request_body": 5},
            "logging": {"request_headers": []},
            "forward_headers": False,
        },
        {},
    ),
}


def wanted(proxy, **paths):
    return flags.options(proxy, deploy_timeout=30, drain_timeout=30, **paths)


@pytest.mark.parametrize("name", sorted(CAPTURED))
def test_what_was_deployed_is_found_again(name):
    proxy, paths = CAPTURED[name]
    found = state.parse(STATE.encode())[name]
    assert flags.diff(wanted(proxy, **paths), found.options) == {}
    assert state.routes_to(found, [TARGET], wanted(proxy, **paths))


@pytest.mark.parametrize("name", ["full", "off", "plain"])
@pytest.mark.parametrize("other", ["full", "off", "plain"])
def test_other_options_differ(name, other):
    proxy, paths = CAPTURED[name]
    found = state.parse(STATE.encode())[other]
    assert (not flags.diff(wanted(proxy, **paths), found.options)) is (name == other)


def test_services_of_the_captured_state():
    services = state.parse(STATE.encode())
    assert [(s.name, s.state, s.message) for s in services.values()] == [
        ("full", "running", ""),
        ("off", "paused", ""),
        ("paths", "running", ""),
        ("plain", "stopped", "be right back"),
    ]
    assert services["paths"].rollout_targets == ("127.0.0.1:31081",)
    assert services["paths"].rollout["allowlist"] == ["alice", "bob"]
    assert services["full"].targets == (TARGET,)
    assert services["full"].options.shown()["writer-affinity-timeout"] == "2500ms"
    assert services["full"].options.shown()["host"] == ["a.example.com", "www.example.com"]


def test_a_deploy_is_needed_for_another_target_or_a_new_service():
    services = state.parse(STATE.encode())
    assert not state.routes_to(services["plain"], "127.0.0.1:1", wanted({}))
    assert not state.routes_to(None, TARGET, wanted({}))


def test_diff_names_the_flag():
    found = state.parse(STATE.encode())["plain"].options
    assert flags.diff(wanted({"host": "new.example.com", "response_timeout": 5}), found) == {
        "host": ((), ("new.example.com",)),
        "target-timeout": (30 * 10**9, 5 * 10**9),
    }


def test_timeouts_of_the_deploy_are_no_difference():
    found = state.parse(STATE.encode())["plain"].options
    assert not flags.diff(flags.options({}, deploy_timeout=99, drain_timeout=1), found)


def test_tls_below_a_path_follows_the_root_service():
    """v0.9.2 copies TLS from the service at / into the state of those below a path, and refuses to be told it there."""
    raw = {service["name"]: service for service in json.loads(STATE)}
    assert raw["paths"]["options"]["tls_enabled"] is True
    argv = flags.deploy_argv("paths", TARGET, state.parse(STATE.encode())["paths"].options)
    assert not [argument for argument in argv if argument.startswith("--tls") and "acme" not in argument]


def test_what_was_found_can_be_deployed_again():
    found = state.parse(STATE.encode())["full"].options
    argv = flags.deploy_argv("full", TARGET, found)
    assert argv[:7] == [
        "kamal-proxy",
        "deploy",
        "full",
        f"--target={TARGET}",
        "--host=a.example.com",
        "--host=www.example.com",
        "--strip-path-prefix=false",
    ]
    assert f"--tls-certificate-path={APPS}/tls/cert.pem" in argv
    assert "--tls-acme-cache-path=/home/kamal-proxy/.config/kamal-proxy/certs" in argv


def test_older_state_files():
    old = '[{"name": "app", "active_target": "app:80", "hosts": ["x"], "options": {}, "target_options": {}}]'
    service = state.parse(old.encode())["app"]
    assert (service.targets, service.options.values["host"], service.state) == (("app:80",), ("x",), "running")


def test_no_services():
    assert state.parse(b"[]\n") == {}
    assert state.parse(b"null\n") == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[{",
        "{}x",
        "{}",
        "0",
        '""',
        '["x"]',
        "[1]",
        '[{"options": {}}]',
        '[{"name": 1}]',
        '[{"name": "a", "active_targets": "abc"}]',
        '[{"name": "a", "pause_controller": {"state": "x"}}]',
        '[{"name": "a", "pause_controller": {"state": true}}]',
        '[{"name": "a", "pause_controller": [1]}]',
        '[{"name": "a", "options": {"writer_affinity_timeout": 1e400}}]',
        "[" * 100000,
    ],
)
def test_a_broken_state_file_is_said(text):
    with pytest.raises(ProxyError, match="deploy each service of this host again"):
        state.parse(text.encode())


def json_values():
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


def places(value, path=()):
    """The path of everything inside a value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(inner, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copied = copy.copy(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


@pytest.mark.parametrize("number, word", [(0, "running"), (2, "stopped"), (3, "unknown (3)"), (-1, "unknown (-1)")])
def test_a_state_that_a_later_kamal_proxy_has_is_no_other_state(number, word):
    text = json.dumps([{"name": "a", "pause_controller": {"state": number}, "made_by": {"a": ["later", "version"]}}])
    assert state.parse(text.encode())["a"].state == word


@given(st.binary() | st.text().map(str.encode))
def test_garbage_is_no_state_file(content):
    try:
        assert all(isinstance(name, str) for name in state.parse(content))
    except StateError as error:
        assert PROXY_STATE in error.message


@given(json_values(), st.data())
def test_a_state_file_with_garbage_in_it_is_an_error_or_changes_nothing_else(garbage, data):
    services = json.loads(STATE)
    place = data.draw(st.sampled_from(list(places(services))))
    try:
        parsed = state.parse(json.dumps(replaced(services, place, garbage)).encode())
    except StateError as error:
        assert PROXY_STATE in error.message
        return
    before = state.parse(STATE.encode())
    others = {service["name"] for service in services if service is not services[place[0]]}
    assert {name: parsed[name] for name in others & set(parsed)} == {
        name: before[name] for name in others & set(parsed)
    }


@given(st.integers(min_value=0, max_value=len(STATE) - 2))
def test_a_half_written_state_file_is_an_error(length):
    with pytest.raises(StateError):
        state.parse(STATE.encode()[:length])


@pytest.mark.parametrize(
    "proxy, words",
    [
        ({}, KAMAL_DEFAULTS),
        ({"host": "a.com"}, ["--host=a.com", *KAMAL_DEFAULTS]),
        ({"host": "a.com, b.com"}, ["--host=a.com", "--host=b.com", *KAMAL_DEFAULTS]),
        ({"hosts": ["a.com"], "ssl": True}, ["--host=a.com", "--tls", *KAMAL_DEFAULTS]),
        (
            {"host": "a.com", "ssl": True, "forward_headers": True},
            ["--host=a.com", "--tls", *KAMAL_DEFAULTS, "--forward-headers"],
        ),
        ({"forward_headers": True}, KAMAL_DEFAULTS),
        ({"forward_headers": False}, [*KAMAL_DEFAULTS, "--forward-headers=false"]),
        ({"path_prefixes": ["/a"], "path_prefix": "/b"}, ["--path-prefix=/a", *KAMAL_DEFAULTS]),
        ({"ssl": {}}, KAMAL_DEFAULTS),
        (
            {"logging": {"response_headers": ["x-oDD", "X Odd", "é-a"]}},
            [*KAMAL_DEFAULTS, *(f"--log-response-header={name}" for name in ("X-Odd", "X Odd", "é-a"))],
        ),
        ({"path_prefixes": ["api/"]}, ["--path-prefix=/api", *KAMAL_DEFAULTS]),
        ({"path_prefix": "/"}, KAMAL_DEFAULTS),
        ({"ssl": False, "ssl_redirect": True}, KAMAL_DEFAULTS),
        (
            {"healthcheck": {"interval": 3, "timeout": 3, "path": "/healthz"}},
            [
                *KAMAL_DEFAULTS[:2],
                "--health-check-interval=3s",
                "--health-check-timeout=3s",
                "--health-check-path=/healthz",
                *KAMAL_DEFAULTS[2:],
            ],
        ),
    ],
)
def test_deploy_argv(proxy, words):
    argv = flags.deploy_argv("app-web", "abc:80", wanted(proxy))
    assert argv == ["kamal-proxy", "deploy", "app-web", "--target=abc:80", *words]


def test_tls_paths_go_only_with_tls():
    paths = {"tls_paths": ("/c.pem", "/k.pem")}
    with_tls = flags.deploy_argv("a", "b:1", wanted({"host": "x", "ssl": {"certificate_pem": "C"}}, **paths))
    assert with_tls[5:8] == ["--tls", "--tls-certificate-path=/c.pem", "--tls-private-key-path=/k.pem"]
    assert flags.deploy_argv("a", "b:1", wanted({}, **paths))[4:] == KAMAL_DEFAULTS


@pytest.mark.parametrize(
    "proxy, place",
    [
        ({"ssl": "yes"}, "proxy/ssl"),
        ({"hosts": [1]}, "proxy/hosts"),
        ({"response_timeout": "soon"}, "proxy/response_timeout"),
        ({"healthcheck": {"interval": True}}, "proxy/healthcheck/interval"),
        ({"buffering": {"memory": "1m"}}, "proxy/buffering/memory"),
        ({"healthcheck": {"path": 1}}, "proxy/healthcheck/path"),
    ],
)
def test_wrong_values(proxy, place):
    with pytest.raises(ConfigError) as caught:
        wanted(proxy)
    assert [problem.key_path for problem in caught.value.problems] == [place]


@pytest.mark.parametrize(
    "argv, expected",
    [
        (commands.remove_argv("a"), ["remove", "a"]),
        (commands.stop_argv("a", 30), ["stop", "a", "--drain-timeout=30s"]),
        (commands.stop_argv("a", 0.5, "back soon"), ["stop", "a", "--drain-timeout=500ms", "--message=back soon"]),
        (commands.pause_argv("a", 5, 20), ["pause", "a", "--drain-timeout=5s", "--max-pause=20s"]),
        (commands.resume_argv("a"), ["resume", "a"]),
        (commands.list_argv(), ["list"]),
        (settings.proxy_container({})["Cmd"], ["run"]),
        (
            settings.proxy_container({"debug": True, "metrics_port": 9090})["Cmd"],
            ["run", "--debug", "--metrics-port=9090"],
        ),
        (settings.proxy_container({"debug": False})["Cmd"], ["run"]),
    ],
)
def test_other_commands(argv, expected):
    assert argv == ["kamal-proxy", *expected]


def test_target_is_the_short_id():
    assert flags.target("0123456789abcdef", 3000) == "0123456789ab:3000"


@pytest.mark.parametrize(
    "stderr, part",
    [
        ("Error: target failed to become healthy within configured timeout (30s)\n", "2xx within 30s"),
        ("Error: host settings conflict with another service\n", "already serves"),
        ("Error: service not found\n", "never deployed"),
        ("Error: unable to load certificate\n", "both PEM"),
        ("Error: unable to load error pages\n", "error_pages_path"),
        ("Error: automatic TLS does not support wildcards\n", "wildcard host"),
        ("Error: rollout target not set\n", "no canary"),
        ("Error: !!:80 :invalid host pattern\n", "cannot read: !!:80."),
        ("Error: max-response-body can only be set when response buffering is enabled\n", "needs buffering"),
        ("Error: canonical-host 'z' must be present in the hosts list: [y]\n", "canonical_host is z"),
        ("Error: TLS settings must be specified on the root path service\n", "root path"),
        ("Error: host must be set when using TLS\n", "needs proxy/host"),
        ("Error: service options invalid: host must be set when using TLS\n", "needs proxy/host"),
        ("Error: dial unix /tmp/kamal-proxy.sock: connect: no such file or directory\n", "no process that answers"),
        ("Error: unknown flag: --frob\n", "too old or new"),
        ("Error: the moon is full\n", "kamal-proxy refused: the moon is full"),
        ("", "said nothing"),
    ],
)
def test_explain(stderr, part):
    assert part in errors.explain(stderr)


HELP = (Path(__file__).resolve().parents[3] / "data" / "kamal_proxy_deploy_help.txt").read_text()
# What a deploy says itself, and what would send requests to a container that has not answered yet.
NOT_IN_THE_TABLE = {"help", "target", "force"}
WORDS = {"string": str, "strings": tuple, "duration": int, "int": int, "": bool}


def offered() -> dict[str, str]:
    """The flags of `kamal-proxy deploy` as it tells them itself, with the word for their type."""
    return dict(re.findall(r"^ +(?:-h, )?--([a-z-]+) ?(string|strings|duration|int|) ", HELP, re.MULTILINE))


def test_the_table_has_every_flag_of_the_shipped_version_and_no_other():
    assert {flag.name for flag in flags.FLAGS} == set(offered()) - NOT_IN_THE_TABLE


@pytest.mark.parametrize("flag", flags.FLAGS, ids=lambda flag: flag.name)
def test_a_flag_has_the_type_and_the_default_of_the_shipped_version(flag):
    kind = WORDS[offered()[flag.name]]
    assert flag.default is None or flag.default.__class__ is kind
    told = re.search(rf"--{flag.name} .*\(default ([^)]*)\)", HELP)
    if told and re.fullmatch(r"\w+|\"[^\"]*\"", told[1]) and flag.default is not None:
        assert flag.kind.show(flag.default) == told[1].strip('"')


def test_a_key_that_is_set_reaches_the_command():
    """All but those that another part of the configuration decides."""
    decided = {"tls-certificate-path", "tls-private-key-path", "deploy-timeout", "drain-timeout", "error-pages"}
    assert {flag.name for flag in flags.FLAGS if not flag.keys} == decided
