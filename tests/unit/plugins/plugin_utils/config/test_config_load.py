# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a configuration comes from: files, destinations, the project's folder, and values from Ansible."""

from __future__ import annotations

import time

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import Settings, from_mapping, load
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.show import (
    as_text,
    contents,
    documentation,
    overview,
)
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.source import from_task_vars
from words import TRUE_OR_FALSE

SETTINGS = Settings(environ={})
BASE = """\
service: hey
servers:
  web: [h1, h2]
  jobs:
    hosts: [h3]
env:
  clear: {A: 1, B: 1}
  secret: [S]
proxy: {host: a.example.com, healthcheck: {interval: 3, path: /up}}
volumes: [a:/a, b:/b]
"""


def project(tmp_path, **files):
    folder = tmp_path / "app" / "config"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / f"{name.replace('__', '.')}.yml").write_text(text, encoding="utf-8")
    return str(folder / "deploy.yml")


def messages(error):
    return [str(problem) for problem in error.value.problems]


# Overlay, then key path and value of what it makes of BASE.
OVERLAYS = [
    ("", {"servers": {"web": ["h1", "h2"], "jobs": {"hosts": ["h3"]}}}),
    ("# nothing yet\n", {"volumes": ["a:/a", "b:/b"]}),
    ("---\n", {"service": "hey"}),
    ("service: hey-staging", {"service": "hey-staging", "volumes": ["a:/a", "b:/b"]}),
    ("servers: {web: [s1]}", {"servers": {"web": ["s1"], "jobs": {"hosts": ["h3"]}}}),
    ("servers: [s1]", {"servers": ["s1"]}),
    ("servers: {jobs: {cmd: x}}", {"servers": {"web": ["h1", "h2"], "jobs": {"hosts": ["h3"], "cmd": "x"}}}),
    ("servers: {jobs: [s3]}", {"servers": {"web": ["h1", "h2"], "jobs": ["s3"]}}),
    ("env: {clear: {B: 2, C: 2}}", {"env": {"clear": {"A": 1, "B": 2, "C": 2}, "secret": ["S"]}}),
    ("env: {secret: [T]}", {"env": {"clear": {"A": 1, "B": 1}, "secret": ["T"]}}),
    ("volumes: [c:/c]", {"volumes": ["c:/c"]}),
    ("volumes: []", {"volumes": []}),
    (
        "proxy: {healthcheck: {path: /health}}",
        {"proxy": {"host": "a.example.com", "healthcheck": {"interval": 3, "path": "/health"}}},
    ),
    (
        "proxy: {ssl: false}",
        {"proxy": {"host": "a.example.com", "healthcheck": {"interval": 3, "path": "/up"}, "ssl": False}},
    ),
    ("x-only-here: 1\nimage: other", {"image": "other"}),
]


@pytest.mark.parametrize(("overlay", "expected"), OVERLAYS)
def test_destination(overlay, expected, tmp_path):
    config = load(project(tmp_path, deploy=BASE, deploy__staging=overlay), "staging", SETTINGS)
    assert {key: config.written[key] for key in expected} == expected
    assert config.destination == "staging"


def test_mixed_env_after_the_merge_is_refused(tmp_path):
    path = project(tmp_path, deploy=BASE, deploy__staging="env:\n  D: 1\n")
    with pytest.raises(ConfigError) as raised:
        load(path, "staging", SETTINGS)
    assert messages(raised) == [
        "config/deploy.staging.yml:2: env/D: unknown key (known here: `clear`, `secret`, `tags`)"
    ]


def test_problems_of_both_files_name_their_file(tmp_path):
    path = project(tmp_path, deploy=BASE + "one: 1\n", deploy__staging="proxy:\n  two: 2\n")
    with pytest.raises(ConfigError) as raised:
        load(path, "staging", SETTINGS)
    assert [(problem.where, problem.key_path) for problem in raised.value.problems] == [
        ("config/deploy.yml:11", "one"),
        ("config/deploy.staging.yml:2", "proxy/two"),
    ]


def test_the_destination_file_itself_means_the_destination(tmp_path):
    path = project(tmp_path, deploy=BASE, deploy__staging="image: s")
    for destination in (None, "", "staging"):
        config = load(path.replace("deploy.yml", "deploy.staging.yml"), destination, SETTINGS)
        assert (config.destination, config.data["image"], config.path) == ("staging", "s", path)


def test_two_destinations_at_once(tmp_path):
    path = project(tmp_path, deploy=BASE, deploy__staging="", deploy__production="")
    with pytest.raises(
        ConfigError, match="deploy.staging.yml is the destination staging, but production was asked for"
    ):
        load(path.replace("deploy.yml", "deploy.staging.yml"), "production", SETTINGS)


def test_a_dotted_name_alone_is_a_base_file(tmp_path):
    path = project(tmp_path, deploy__prod=BASE, deploy__prod__eu="image: eu").replace("deploy.yml", "deploy.prod.yml")
    assert load(path, None, SETTINGS).destination is None
    assert load(path, "eu", SETTINGS).data["image"] == "eu"


def test_yaml_as_extension(tmp_path):
    base = tmp_path / "deploy.yaml"
    base.write_text(BASE)
    (tmp_path / "deploy.eu.yaml").write_text("image: eu")
    (tmp_path / "deploy.us.yml").write_text("image: us")
    assert load(str(base), "eu", SETTINGS).data["image"] == "eu"
    assert load(str(base), "us", SETTINGS).data["image"] == "us"


def test_unknown_destination(tmp_path):
    path = project(tmp_path, deploy=BASE, deploy__staging="", deploy__production="")
    with pytest.raises(ConfigError) as raised:
        load(path, "stagin", SETTINGS)
    assert messages(raised) == [
        "there is no destination stagin: no file config/deploy.stagin.yml; did you mean `staging`? "
        "(destinations here: production, staging)"
    ]


def test_unknown_destination_where_there_are_none(tmp_path):
    with pytest.raises(ConfigError, match="there are no destination files here"):
        load(project(tmp_path, deploy=BASE), "staging", SETTINGS)


def test_a_destination_that_is_a_list(tmp_path):
    with pytest.raises(ConfigError, match="config/deploy.staging.yml:1: the file must hold a map"):
        load(project(tmp_path, deploy=BASE, deploy__staging="- a"), "staging", SETTINGS)


def test_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"config/deploy.yml: there is no file .*; name the configuration with"):
        load(str(tmp_path / "config" / "deploy.yml"), None, SETTINGS)


def test_a_folder_instead_of_a_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(str(tmp_path), None, SETTINGS)


def test_not_utf8(tmp_path):
    path = tmp_path / "deploy.yml"
    path.write_bytes(b"service: \xff\n")
    with pytest.raises(ConfigError, match="deploy.yml: the file is not UTF-8 text"):
        load(str(path), None, SETTINGS)


def test_project_root(tmp_path):
    path = project(tmp_path, deploy=BASE)
    assert load(path, None, SETTINGS).project_root == str(tmp_path / "app")
    flat = tmp_path / "deploy.yml"
    flat.write_text(BASE)
    assert load(str(flat), None, SETTINGS).project_root == str(tmp_path)
    assert load(path, None, SETTINGS, str(tmp_path)).project_root == str(tmp_path)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (("service",), "config/deploy.yml:1"),
        (("servers", "jobs", "hosts", 0), "config/deploy.yml:5"),
        (("servers", "web", 1), "config/deploy.yml:3"),
        (("proxy", "healthcheck", "path"), "config/deploy.staging.yml:2"),
        (("proxy", "healthcheck", "interval"), "config/deploy.yml:9"),
        (("volumes", 0), "config/deploy.staging.yml:3"),
        (("volumes", 1), "config/deploy.staging.yml:3"),
        (("env", "clear", "NEW"), "config/deploy.yml:7"),
        (("image",), "config/deploy.yml:1"),
        ((), "config/deploy.yml:1"),
    ],
)
def test_where(keys, place, tmp_path):
    overlay = "proxy:\n  healthcheck: {path: /x}\nvolumes: [z:/z]\n"
    config = load(project(tmp_path, deploy=BASE, deploy__staging=overlay), "staging", SETTINGS)
    assert config.where(*keys) == place


def test_where_behind_an_anchor(tmp_path):
    text = "service: a\nservers: [h]\nx-base: &b\n  A: 1\nenv:\n  <<: *b\n  B: 2\n"
    config = load(project(tmp_path, deploy=text), None, SETTINGS)
    assert config.where("env", "A") == "config/deploy.yml:4"
    assert config.where("env", "B") == "config/deploy.yml:7"


def test_anchors_that_explode_are_stopped(tmp_path):
    lines = ["service: a", "servers: [h]", "x-0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    started = time.monotonic()
    with pytest.raises(ConfigError, match="unfold to more values than can be meant"):
        load(project(tmp_path, deploy="\n".join(lines)), None, SETTINGS)
    assert time.monotonic() - started < 20


class Tagged(str):
    """Strings from Ansible are of a class of their own."""


class TaggedNumber(int):
    pass


def test_values_from_ansible_become_plain():
    given = {Tagged("service"): Tagged("a"), "servers": (Tagged("h1"),), "deploy_timeout": TaggedNumber(3)}
    config = from_mapping(given, None, "/srv/app")
    assert config.written == {"service": "a", "servers": ["h1"], "deploy_timeout": 3}
    found = [*config.written, config.data["service"], *config.data["servers"], config.data["deploy_timeout"]]
    assert {type(value) for value in found} == {str, int}
    assert (config.path, config.project_root, config.where("service")) == (None, "/srv/app", "kamal_config")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("service: a", "kamal_config: found str, expected a map"),
        ({"service": "a", "servers": ["h"], 1: 2}, 'kamal_config: the key 1 is not text; write "1"'),
        ({"service": "a", "servers": ["h"], "imag": "x"}, "kamal_config: imag: unknown key; did you mean `image`?"),
        ({"service": "a"}, "kamal_config: servers: this key is missing"),
    ],
)
def test_a_wrong_mapping(given, expected):
    with pytest.raises(ConfigError) as raised:
        from_mapping(given, None, "/srv/app")
    assert messages(raised)[0].startswith(expected)


def test_role_groups_fill_servers():
    config = from_mapping({"service": "a"}, None, "/srv/app", role_groups={"web": ["h1"], "jobs": ["h2"]})
    assert config.data["servers"] == {"web": ["h1"], "jobs": ["h2"]}


def test_role_groups_do_not_replace_servers():
    config = from_mapping({"service": "a", "servers": ["h1"]}, None, "/srv/app", role_groups={"web": ["h2"]})
    assert config.data["servers"] == ["h1"]


def test_an_empty_role_group_is_named():
    with pytest.raises(ConfigError) as raised:
        from_mapping({"service": "a"}, None, "/srv/app", role_groups={"web": []})
    assert messages(raised) == ["kamal_role_groups: servers/web: the primary role `web` needs at least one host"]


def source(cwd, groups=None, **variables):
    return from_task_vars({"groups": groups or {}}, variables.get, str(cwd))


def test_source_default_file(tmp_path):
    project(tmp_path, deploy=BASE)
    assert source(tmp_path / "app").data["service"] == "hey"


def test_source_named_file_and_destination(tmp_path):
    project(tmp_path, deploy=BASE, deploy__staging="image: s")
    config = source(tmp_path, kamal_config_file="app/config/deploy.yml", kamal_destination="staging")
    assert (config.data["image"], config.project_root) == ("s", str(tmp_path / "app"))


def test_source_project_root(tmp_path):
    path = project(tmp_path, deploy=BASE)
    assert source(tmp_path, kamal_config_file=path, kamal_project_root=".").project_root == str(tmp_path)
    config = source(tmp_path, kamal_config={"service": "a", "servers": ["h"]}, kamal_project_root="app")
    assert config.project_root == str(tmp_path / "app")


def test_source_variable(tmp_path):
    config = source(tmp_path, kamal_config={"service": "a", "servers": ["h"]}, kamal_destination="x")
    assert (config.data["service"], config.destination, config.project_root) == ("a", "x", str(tmp_path))


def test_source_role_groups(tmp_path):
    groups = {"webservers": ["h1", "h2"], "all": ["h1", "h2"]}
    config = source(tmp_path, groups, kamal_config={"service": "a"}, kamal_role_groups={"web": "webservers"})
    assert config.data["servers"] == {"web": ["h1", "h2"]}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"kamal_config": {}, "kamal_config_file": "x"}, "kamal_config and kamal_config_file are both set"),
        ({"kamal_config": {"service": "a"}, "kamal_role_groups": {"web": "wbe"}}, "the inventory has no group wbe"),
        ({"kamal_config": {"service": "a"}, "kamal_role_groups": ["web"]}, "expected a map of role to inventory group"),
        ({"kamal_config": ""}, "kamal_config: found str, expected a map"),
        ({"kamal_config_file": "gone.yml"}, "there is no file"),
    ],
)
def test_source_that_makes_no_sense(variables, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        source(tmp_path, **variables)


@pytest.mark.parametrize(("value", "allowed"), [(None, False), *TRUE_OR_FALSE])
def test_source_commands_need_permission(tmp_path, value, allowed):
    project(tmp_path, deploy="service: <%= `echo hey` %>\nservers: [h]\n")
    if allowed:
        assert source(tmp_path / "app", kamal_erb_commands=value).data["service"] == "hey"
        return
    told = {False: "-e kamal_erb_commands=true", None: f"kamal_erb_commands: expected true or false, not {value!r}"}
    with pytest.raises(ConfigError, match=told[allowed]):
        source(tmp_path / "app", kamal_erb_commands=value)


def shown():
    data = {
        "service": "a",
        "image": "a",
        "servers": {"web": ["h1"], "jobs": {"hosts": [{"h2": "t"}, "h3"]}},
        "registry": {"server": "r", "username": "me", "password": ["PASSWORD_NAME"]},
        "builder": {"args": {"TOKEN": "hidden1"}},
        "ssh": {"key_data": ["KEY_NAME", "-----BEGIN OPENSSH PRIVATE KEY-----\nhidden2"]},
        "accessories": {"db": {"image": "x", "tag": "t", "registry": {"username": "u", "password": "hidden3"}}},
        "sshkit": {"dns_retries": 1},
    }
    return overview(from_mapping(data, "staging", "/srv/app"))


def test_overview():
    found = shown()
    assert found["roles"] == {"web": ["h1"], "jobs": ["h2", "h3"]}
    assert found["accessories"] == {"db": ["h2"]}
    assert (found["primary_role"], found["destination"], found["project_root"]) == ("web", "staging", "/srv/app")
    assert found["notices"] == []


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_nothing_secret_is_shown(form):
    text = as_text(shown(), form)
    assert "hidden" not in text
    assert text.count("[REDACTED]") == 5
    assert "PASSWORD_NAME" in text
    assert "KEY_NAME" in text


# A value that a template may have put there, what holds it, and what is told of it.
SECRETS = [
    ("9876543210", "registry: {username: u, password: %s}", "registry/password: found a number, expected a string"),
    ("9876543210", "registry: {username: u, password: [%s]}", "registry/password/0: found a number, expected a string"),
    ("9876543210", "registry: {username: %s, password: p}", "registry/username: found a number, expected a string"),
    ("9876543210: a", "registry: {username: u, password: {%s}}", 'YAML reads the key … as a number; write "…"'),
    ("s3cr3t: a", "registry: {username: u, password: {%s}}", "registry/password: found a map, expected a string"),
    (
        "!s3cr3t",
        "registry: {username: u, password: %s }",
        "the YAML tag … is not allowed; write a plain value in quotes",
    ),
    ("!!int s3cr3t", "registry: {username: u, password: %s}", "'…' is not what its YAML tag … says"),
    ("*s3cr3t", "registry: {username: u, password: %s}", "found undefined alias, column 35"),
    ("!s3cr3t!x", "registry: {username: u, password: %s }", "found undefined tag handle, column 35"),
    ("&s3cr3t a", "registry: {username: %s, password: %s}", "found duplicate anchor; first occurrence"),
    ("9876543210", "accessories: {db: {image: x, host: h, registry: {username: u, password: %s}}}", "found a number"),
    ("BEGIN KEY", "ssh: {key_data: %s}", "ssh/key_data: found a text, expected a list of strings"),
    ("true", "ssh: {key_data: %s}", "ssh/key_data: found true or false, expected a list of strings"),
]


@pytest.mark.parametrize(("value", "section", "told"), SECRETS)
def test_what_may_be_a_secret_is_not_repeated(tmp_path, value, section, told):
    path = project(tmp_path, deploy=f"service: a\nservers: [h]\n{section.replace('%s', value)}\n")
    with pytest.raises(ConfigError) as raised:
        load(path, None, SETTINGS)
    assert told in str(raised.value)
    assert not any(secret in str(raised.value) for secret in ("9876543210", "s3cr3t", "BEGIN"))


def test_documentation():
    assert documentation("boot").startswith("# Boot\n")
    assert documentation("accessories") == documentation("accessory")
    assert "  proxy         Proxy\n" in contents()
    with pytest.raises(ConfigError, match="there is no section boto; did you mean `boot`?"):
        documentation("boto")
