# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever is fed to the parsers is either read or an error that names its place: no other exception, and no hang."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.module_utils._docker_run import options
from ansible_collections.caravan.kamal.plugins.module_utils._docker_run.table import FLAGS
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError, SecretError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.erb import render
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.lines import read_yaml
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import Settings, from_mapping, load
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.ruby_library import Scope
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.schema import load_sections
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.topology import Topology
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks.memory import Memory
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.overview import overview
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.planner import plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.run import Run
from ansible_collections.caravan.kamal.plugins.plugin_utils.secrets.commands import Commands
from ansible_collections.caravan.kamal.plugins.plugin_utils.secrets.sources import Secrets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TABLES = Path(__file__).resolve().parents[3] / "data" / "configs"
CHECKS = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.large_base_example]


def examples(count: int) -> Any:
    """The same ones in every run."""
    return settings(max_examples=count, derandomize=True, suppress_health_check=CHECKS)


def texts(pieces: list[str], longest: int = 12) -> st.SearchStrategy[str]:
    """Texts made of words that mean something to a parser."""
    return st.lists(st.sampled_from(pieces) | st.text(max_size=3), max_size=longest).map("".join)


# Configurations: real ones with something in them replaced, left out, or put where it does not belong

CASES = [
    data
    for table in sorted(TABLES.glob("*.yml"))
    for case in yaml.safe_load(table.read_text(encoding="utf-8"))["valid"]
    if isinstance(data := yaml.safe_load(case.get("text", "service: a\nservers: [h]\n" + case.get("add", ""))), dict)
]
KEYS = sorted({part for section in load_sections().values() for path, _key in section.walk() for part in path})
WORDS = [
    "",
    " ",
    "web",
    "h1",
    "h1: t",
    "0",
    "-1",
    "80",
    "'80'",
    "50%",
    "1:2",
    "a:/b",
    "${A}",
    "$",
    "~",
    "\0",
    "é",
    "\n",
    "no",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(WORDS)
    | texts([":", "/", "%", "$", "{", "}", ",", "'", '"', "\\", "-", ".", "@", "1", "a"], 6)
)
NAMES = st.sampled_from(KEYS) | st.sampled_from(WORDS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
CHANGES = st.lists(
    st.tuples(st.lists(st.integers(0, 20), min_size=1, max_size=6), NAMES, VALUES, st.integers(0, 3)), max_size=3
)


def changed(data: Any, way: list[int], name: str, value: Any, kind: int) -> None:
    """Walks down into the data as far as the way goes; there one item is replaced, removed or added."""
    for step in way:
        items = list(data.items() if isinstance(data, dict) else enumerate(data))
        if not items or (step == way[-1] and kind == 3):
            break
        key, inner = items[step % len(items)]
        if not isinstance(inner, (dict, list)) or kind == 2:
            if kind == 1:
                del data[key]
            else:
                data[key] = value
            return
        data = inner
    if isinstance(data, dict):
        data[name] = value
    else:
        data.append(value)


@examples(400)
@given(st.sampled_from(CASES), CHANGES)
def test_a_configuration(base: dict[str, Any], changes: list[tuple[list[int], str, Any, int]]) -> None:
    data = copy.deepcopy(base)
    for change in changes:
        changed(data, *change)
    before = copy.deepcopy(data)
    try:
        config = from_mapping(data, None, "/nowhere")
    except ConfigError as error:
        assert error.problems
        assert all(problem.message and problem.where for problem in error.problems)
        return
    assert repr(data) == repr(before), "what Ansible has is not changed"
    overview(config, "v1")
    topology = Topology(config.data)
    for command in ("inspect", "setup") if topology.roles else ("inspect",):
        try:
            plan(config, Run("v1", topology.boot_order, command=command))
        except ConfigError as error:
            assert all(problem.key_path and problem.where for problem in error.problems), error


YAML = [
    "a",
    "b",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\n\t",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "<<: ",
    "!x ",
    "!!int ",
    "'",
    '"',
    "|",
    ">",
    "#",
    "%",
    "---",
    "0x1",
    "1.0e400",
    "~",
    "?",
    "servers",
    "service",
]


@examples(300)
@given(texts(YAML))
def test_yaml(text: str) -> None:
    document = read_yaml(text, lambda line: f"deploy.yml:{line}")
    assert all(problem.where.startswith("deploy.yml:") for problem in document.problems)
    lines = text.count("\n") + text.count("\r") + 5
    assert all(int(problem.where.partition(":")[2]) <= lines for problem in document.problems)


@examples(60)
@given(st.binary(max_size=40) | texts(YAML, 20).map(lambda text: text.encode(errors="replace")))
def test_a_file(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deploy.yml"
        path.write_bytes(content)
        try:
            load(str(path), None, Settings({}))
        except ConfigError as error:
            assert all(problem.where.startswith("deploy.yml") for problem in error.problems)


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000 + "x", "a: " + "[" * 5000 + "]" * 5000])
def test_yaml_that_is_nested_without_end(text: str) -> None:
    assert [problem.where for problem in read_yaml(text, str).problems] == ["1"]


def test_a_variable_that_is_nested_without_end() -> None:
    data: dict[str, Any] = {}
    data["service"] = [data]
    with pytest.raises(ConfigError, match="kamal_config: lists and maps are nested deeper"):
        from_mapping(data, None, "/nowhere")


@pytest.mark.parametrize("text", ["a: !!int", "a: !!bool x", "a: !!float x", "a: 1.0e400"])
def test_a_value_that_is_not_what_it_says(text: str) -> None:
    assert [problem.where for problem in read_yaml(text, str).problems] == ["1"]


PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)


@examples(100)
@given(
    st.dictionaries(
        PLAIN.filter(lambda name: name not in ("clear", "secret", "tags") and not name.startswith("x-")),
        PLAIN,
        max_size=4,
    )
)
def test_values_of_a_configuration_arrive_as_they_are(env: dict[str, str]) -> None:
    text = yaml.safe_dump({"env": env}, allow_unicode=True)
    document = read_yaml(text, str)
    assert not document.problems
    assert document.data == {"env": env}


# Secrets


DOTENV = [
    "A",
    "B=",
    "K",
    "=",
    ": ",
    "export ",
    "'",
    '"',
    "\\",
    "\\n",
    "$",
    "$A",
    "${B}",
    "$(",
    ")",
    "#",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "-",
]


def secrets_of(path: Path) -> Secrets:
    """No command in it is run."""
    return Secrets({}, [str(path)], Commands("/", {}, allowed=False), (), Memory(2**22))


@examples(500)
@given(texts(DOTENV, 16))
def test_a_secrets_file(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "secrets"
        path.write_bytes(text.encode("utf-8", "replace"))
        try:
            secrets = secrets_of(path)
            assert secrets["A"]
        except SecretError as error:
            assert str(path) in error.message


SECRET = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=20)


def single(value: str) -> str:
    return f"'{value}'"


def double(value: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("$", "\\$")):
        value = value.replace(plain, escaped)
    return f'"{value}"'


@examples(200)
@given(SECRET)
def test_a_quoted_secret_is_what_was_quoted(value: str) -> None:
    forms = [single(value)] if "'" not in value and not value.endswith("\\") else []
    # A backslash before n, r or $ cannot be written in double quotes, as in dotenv.
    forms += [double(value)] if "\\" not in value else []
    for form in forms:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "secrets"
            path.write_bytes(f"B=1\nA={form}\nC=2\n".encode())
            secrets = secrets_of(path)
            assert (secrets["B"], secrets["A"], secrets["C"]) == ("1", value, "2")


def test_a_large_secrets_file_takes_no_time_worth_counting(tmp_path: Path) -> None:
    """Each of these would take minutes if a line were looked at again for every line after it."""
    for line in (
        "A=" + " " * 100_000 + "'",
        "A='" + "\\'" * 50_000,
        "A=" + "$(" * 50_000,
        "A\n" * 50_000,
        "A=\n" * 50_000,
    ):
        path = tmp_path / "secrets"
        path.write_text(line)
        try:
            secrets_of(path).require(["A"])
        except SecretError as error:
            assert "secrets:" in error.message


# ERB


RUBY = [
    "<%",
    "<%=",
    "<%-",
    "<%#",
    "%>",
    "-%>",
    " ",
    "\n",
    "ENV",
    "['A']",
    '["B"]',
    ".fetch",
    "(",
    ")",
    ".strip",
    ".presence",
    ".scan(/a*/)",
    "&.",
    "||",
    "||=",
    "=",
    "==",
    "? ",
    ": ",
    "+",
    "if ",
    "else",
    "end",
    "begin",
    "rescue",
    "a",
    "nil",
    "1",
    "'x'",
    '"#{a}"',
    "[",
    "]",
    "[0]",
    "%w[a b]",
    "/(/",
    ";",
    "{",
    "}",
    "File.read",
    "Dotenv.load",
    "`id`",
    "map(&:strip)",
    ".",
]


@examples(600)
@given(texts(RUBY, 20))
def test_erb(text: str) -> None:
    scope = Scope({"A": "a"}, "/nowhere")
    try:
        rendered = render(text, lambda line: f"deploy.yml:{line}", scope)
    except ConfigError as error:
        assert error.problems
        assert all(problem.where.startswith("deploy.yml:") for problem in error.problems)
        return
    if "<%" not in text:
        assert rendered.text == text
    for line in range(1, rendered.text.count("\n") + 2):
        assert 1 <= rendered.source_line(line) <= text.count("\n") + 1


@examples(100)
@given(PLAIN)
def test_a_text_in_ruby_is_what_was_quoted(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    if "%>" not in value:
        assert render(f"<%= '{quoted}' %>", str, Scope({}, "/nowhere")).text == value
    assert render("<%= ENV['A'] %>", str, Scope({"A": value}, "/nowhere")).text == value


# Options of `docker run`


OPTION = texts(
    [
        ":",
        "/",
        "=",
        ",",
        "-",
        "1",
        "0",
        "a",
        "/a",
        "type=bind",
        "g",
        "s",
        ".",
        "[",
        "]",
        "::",
        "tcp",
        "$",
        "'",
        '"',
        "\0",
    ],
    6,
)


@examples(400)
@given(
    st.dictionaries(
        st.sampled_from(sorted(FLAGS)) | OPTION, SCALARS | OPTION | st.lists(OPTION, max_size=2) | VALUES, max_size=3
    )
)
def test_docker_options(wanted: dict[str, Any]) -> None:
    problems = options.problems(wanted)
    assert all(isinstance(message, str) and message for _name, message in problems)
    body: dict[str, Any] = {"HostConfig": {}}
    if problems:
        with pytest.raises(ConfigError):
            options.apply(wanted, body)
    else:
        options.apply(wanted, body)
