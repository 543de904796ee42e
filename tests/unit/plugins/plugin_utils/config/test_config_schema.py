# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documented examples, the schema made from them, the files that are published, and the tables agree."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config import schema as _schema
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.findings import SchemaCheck
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import from_mapping
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.schema import Annotation, parse_annotation
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[5]
TABLES = ROOT / "tests" / "unit" / "data" / "configs"
SECTIONS = _schema.load_sections()
SCHEMA = _schema.build_schema(SECTIONS)

# Where a section stands in a configuration, with what must be around it.
DB = {"image": "mysql", "host": "192.0.2.9"}
PLACES = {
    "root": ((), {}),
    "role": (("servers", "web"), {"servers": {"web": {"hosts": ["192.0.2.1"]}}}),
    "env": (("env",), {"env": {}}),
    "proxy": (("proxy",), {"proxy": {}}),
    "run": (("proxy", "run"), {"proxy": {"run": {}}}),
    "loadbalancer": (("loadbalancer",), {"loadbalancer": {"host": "192.0.2.9"}}),
    "accessory": (("accessories", "db"), {"accessories": {"db": DB}}),
    "mount": (
        ("accessories", "db", "files", 0),
        {"accessories": {"db": {**DB, "files": [{"local": "a", "remote": "/b"}]}}},
    ),
    "registry": (("registry",), {"image": "hey", "registry": {}}),
    "builder": (("builder",), {"builder": {}}),
    "boot": (("boot",), {"boot": {}}),
    "logging": (("logging",), {"logging": {}}),
    "ssh": (("ssh",), {"ssh": {}}),
    "sshkit": (("sshkit",), {"sshkit": {}}),
    "output": (("output",), {"output": {}}),
    "a role's proxy": (("servers", "web", "proxy"), {"servers": {"web": {"hosts": ["192.0.2.1"], "proxy": {}}}}),
    "an accessory's proxy": (("accessories", "db", "proxy"), {"accessories": {"db": {**DB, "proxy": {}}}}),
}


def full_path(place, path):
    return "/".join(str(part) for part in (*PLACES[place][0], *path))


KEYS = [
    pytest.param(name, path, id=f"{name}: {'/'.join(path)}")
    for name, section in SECTIONS.items()
    for path, _key in section.walk()
]
# A section may stand in others too: a proxy in a role and in an accessory.
NUMBERS = [
    pytest.param(place, path, id=full_path(place, path))
    for place in PLACES
    for path, key in SECTIONS[place.rpartition(" ")[2]].walk()
    if re.search(r"\b(integer|seconds|port)\b", key.annotation.type)
]


def configuration(place, path, value):
    """One in which this key of this section has this value."""
    above, around = PLACES[place]
    data = {"service": "hey", "servers": ["192.0.2.1"], **copy.deepcopy(around)}
    here = data
    for part in above:
        here = here[part]
    for part in path[:-1]:
        here = here.setdefault(part, {})
    here[path[-1]] = value
    return data


def problem_paths(place, path, value):
    """What is complained about when this key of this section has this value."""
    try:
        from_mapping(configuration(place, path, value), None, "/nowhere")
    except ConfigError as error:
        return {problem.key_path: problem.message for problem in error.problems}
    return {}


@pytest.mark.parametrize(("section", "path"), KEYS)
def test_an_empty_key_is_named(section, path):
    assert "the key is empty" in problem_paths(section, path, None).get(full_path(section, path), "")


@pytest.mark.parametrize(("section", "path"), KEYS)
def test_a_wrong_type_is_named(section, path):
    wrong = full_path(section, path)
    assert any(found == wrong or found.startswith(wrong + "/") for found in problem_paths(section, path, [{}]))


@pytest.mark.parametrize(("place", "path"), NUMBERS)
def test_a_number_may_stand_in_quotes(place, path):
    read = from_mapping(configuration(place, path, "5"), None, "/nowhere").data
    for part in (*PLACES[place][0], *path):
        read = read[part]
    assert (read, type(read)) == (5, int)


@pytest.mark.parametrize(("place", "path"), NUMBERS)
@pytest.mark.parametrize("junk", ["5x", "five", "5.0", ""])
def test_what_is_no_number_is_named(place, path, junk):
    assert full_path(place, path) in problem_paths(place, path, junk)


@pytest.mark.parametrize(("section", "path"), KEYS)
def test_a_misspelt_key_is_recognised(section, path):
    misspelt = (*path[:-1], path[-1] + "x")
    message = problem_paths(section, misspelt, "a").get(full_path(section, misspelt), "")
    # In the short form of env every name is a variable.
    assert f"did you mean `{path[-1]}`?" in message or section == "env"


def seen(schema, data, place, found):
    """Collects the documented keys that this data has."""
    if "$ref" in schema:
        place = schema["$ref"].rpartition("/")[2]
        schema = SCHEMA["$defs"][place]
    for branch in (*schema.get("anyOf", ()), *(schema[word] for word in ("then", "else") if word in schema)):
        seen(branch, data, place, found)
    if isinstance(data, list) and "items" in schema:
        for item in data:
            seen(schema["items"], item, place, found)
    if not isinstance(data, dict):
        return
    for name, value in data.items():
        if name in schema.get("properties", {}):
            found.add(f"{place}/{name}")
            seen(schema["properties"][name], value, f"{place}/{name}", found)
        elif isinstance(schema.get("additionalProperties"), dict):
            seen(schema["additionalProperties"], value, place, found)


def test_every_documented_key_is_in_the_tables_of_valid_configurations():
    found = set()
    for table in TABLES.glob("*.yml"):
        for case in yaml.safe_load(table.read_text(encoding="utf-8"))["valid"]:
            text = case.get("text", "service: hey\nservers: [192.0.2.1]\n" + case.get("add", ""))
            seen(SCHEMA, yaml.safe_load(text), "root", found)
    documented = {f"{name}/{'/'.join(path)}" for name, section in SECTIONS.items() for path, _key in section.walk()}
    assert len(documented) > 130
    assert documented - found == set()


def assembled():
    """The root example with every section in full."""
    data = copy.deepcopy(dict(SECTIONS["root"].example))
    for name in ("env", "proxy", "registry", "builder", "boot", "logging", "ssh", "sshkit", "output", "aliases"):
        data[name] = dict(SECTIONS[name].example)
    data["proxy"]["run"] = SECTIONS["run"].example
    data["servers"] = {**SECTIONS["servers"].example, "special": SECTIONS["role"].example}
    data["accessories"] = {"db": {**SECTIONS["accessory"].example, "directories": [SECTIONS["mount"].example]}}
    return copy.deepcopy(data)


def test_the_examples_together_are_valid():
    assert list(SchemaCheck(SCHEMA).findings(assembled())) == []
    assert list(Draft202012Validator(SCHEMA).iter_errors(assembled())) == []


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


def test_editors_allow_extensions_at_every_level():
    data = assembled()
    for part in (data, data["proxy"], data["proxy"]["run"], data["servers"], data["accessories"]["db"], data["env"]):
        part["x-note"] = {"anything": [1]}
    assert list(Draft202012Validator(SCHEMA).iter_errors(data)) == []


def test_every_key_is_explained():
    for name, section in SECTIONS.items():
        assert section.title, name
        assert section.prose, name
        for path, key in section.walk():
            assert key.prose, f"{name}: {'/'.join(path)}"


def test_every_key_of_an_example_is_documented():
    for name, section in SECTIONS.items():
        if section.keys:
            assert {key.name for key in section.keys} == set(section.example), name


@pytest.fixture
def docs_tool(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    spec = importlib.util.spec_from_file_location("docs_tool", ROOT / "tools" / "docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_published_follows_from_the_examples(docs_tool):
    for path, text in docs_tool.wanted().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} has drifted; run `make docs`"
    assert json.loads(_schema.SCHEMA_FILE.read_text(encoding="utf-8")) == SCHEMA


def test_drift_is_noticed(docs_tool, tmp_path, monkeypatch, capsys):
    tool = docs_tool
    stale = tmp_path / "page.md"
    stale.write_text("old", encoding="utf-8")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "wanted", lambda: {stale: "new"})
    assert tool.main(["--check"]) == 1
    assert "page.md does not follow from its source" in capsys.readouterr().out
    assert tool.main([]) == 0
    assert stale.read_text(encoding="utf-8") == "new"
    assert tool.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("string", Annotation("string")),
        ("string | list of string", Annotation("string | list of string")),
        ("integer, default 5, minimum 1", Annotation("integer", default=5, minimum=1)),
        ("boolean, default false", Annotation("boolean", default=False)),
        ("string, one of a b, required", Annotation("string", required=True, one_of=("a", "b"))),
        ("string, notice has no effect, see there", Annotation("string", notice="has no effect, see there")),
    ],
)
def test_annotation(text, expected):
    assert parse_annotation(text) == expected


@pytest.mark.parametrize("text", ["string, maximum 3", "string, requird"])
def test_an_annotation_that_is_not_understood(text):
    with pytest.raises(ValueError, match="unknown attribute"):
        parse_annotation(text)
