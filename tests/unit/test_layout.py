# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules that keep the collection small and readable, held against whatever is in it."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml
from ansible.utils.plugin_docs import add_fragments

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
UTILS = PLUGINS / "module_utils"
MODULES = sorted((PLUGINS / "modules").glob("*.py"))
PLUGIN_FILES = sorted(PLUGINS.rglob("*.py"))
HOST_FILES = [path for path in PLUGIN_FILES if UTILS in path.parents or path in MODULES]
UTIL_FILES = [path for path in PLUGIN_FILES if "_utils" in path.relative_to(PLUGINS).parts[0]]
# Of what has as much to say to people as a module, most is documentation.
CODE_FILES = [path for path in PLUGIN_FILES if path not in MODULES]
PLAYBOOKS = sorted((ROOT / "playbooks").rglob("*.yml"))
TASK_FILES = sorted((ROOT / "roles").glob("*/*/**/*.yml"))
ROLES = sorted((ROOT / "roles").iterdir())
GENERATED = "<!-- Generated from meta/ by `make docs`; do not edit. -->"
GALAXY_INFO = {"author", "description", "license", "min_ansible_version"}

HEADER = (
    "# Copyright: Caravan contributors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
)
# The rooms, and which others each of them may enter. What has no room lies at the root of module_utils; every room may.
WORDS = "module_utils"
CONFIG, PLAN, SECRETS, KEPT, COMMANDS, OUTPUT, DISPLAY, PROGRESS, FORKS = (
    f"plugin_utils/{room}"
    for room in ("config", "plan", "secrets", "kept", "commands", "output", "display", "progress", "forks")
)
APP, PROXY, BUILD, DELIVERY, HOST, DOCKER_RUN, KEPT_THERE = (
    f"module_utils/{room}" for room in ("_app", "_proxy", "_build", "_delivery", "_host", "_docker_run", "_kept")
)
MAY_ENTER = {
    "plugin_utils": {DISPLAY, FORKS, DELIVERY},
    CONFIG: {DOCKER_RUN},
    PLAN: {CONFIG, SECRETS, KEPT, PROXY, BUILD, DOCKER_RUN},
    SECRETS: {"plugin_utils", FORKS, CONFIG},
    KEPT: {"plugin_utils", PROGRESS, DISPLAY, FORKS},
    COMMANDS: {"plugin_utils"},
    OUTPUT: set(),
    PROGRESS: {"plugin_utils", DISPLAY},
    DISPLAY: set(),
    FORKS: set(),
    APP: {PROXY, HOST},
    PROXY: {HOST, DOCKER_RUN},
    BUILD: {HOST},
    DELIVERY: {HOST},
    HOST: set(),
    DOCKER_RUN: set(),
    KEPT_THERE: set(),
    WORDS: set(),
}
# These only know: neither they nor what they import touches Ansible or Docker.
PURE = re.compile(
    r"plugin_utils/(config/.*|plan/(?!action).*)"
    r"|module_utils/(_(balancing|body|data|names|records|references|shares)|_docker_run/.*"
    r"|_proxy/(errors|flags|settings|state|values)|_build/(buildx|clone|git))\.py"
)
ON_THE_CONTROLLER = {"yaml", "jsonschema"}
ATTRIBUTES = {"check_mode", "diff_mode", "idempotent"}
# Who asks the engine, and who asks what .dockerignore means.
DOCKER_SDK = ("_host/docker_engine.py", "_host/docker_errors.py", "_build/ignored.py")
LONGEST_FILE = 300
LONGEST_FUNCTION = 40
LONGEST_LINE = 120
LONGEST_WHEN = 100


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


@cache
def imports(path: Path) -> list[tuple[int, str]]:
    """Every module that a file imports, as (level, name): level 1 is its own folder."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.append((0, str(node.module)))
        elif isinstance(node, ast.ImportFrom):
            parts = [node.module] if node.module else []
            found += [(node.level, ".".join([*parts, alias.name])) for alias in node.names]
    return found


@cache
def files_imported(path: Path) -> frozenset[Path]:
    """The files of the collection that a file imports."""
    found: set[Path] = set()
    for level, name in imports(path):
        if level:
            target = path.parents[level - 1].joinpath(*name.split("."))
            found |= {file for file in (target.with_suffix(".py"), target.parent.with_suffix(".py")) if file.is_file()}
    return frozenset(found)


def beneath(path: Path) -> set[Path]:
    """The files that a file imports, and those that they import."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        new = files_imported(waiting.pop()) - found
        waiting.extend(new)
        found |= new
    return found


def room(path: Path) -> str:
    return str(path.parent.relative_to(PLUGINS))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def constant(path: Path, name: str) -> str | None:
    """The string that is assigned to a name at the top of a file."""
    for node in tree_of(path).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
            return str(ast.literal_eval(node.value))
    return None


def documentation(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(constant(path, "DOCUMENTATION") or "{}"))


def tasks(items: Any) -> Iterator[dict[str, Any]]:
    """All tasks below a list of plays, blocks or tasks."""
    for item in items or ():
        yield item
        for key in ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always"):
            yield from tasks(item.get(key))


def included(items: Any) -> Iterator[str]:
    """The task files that tasks include by a fixed name."""
    for task in tasks(items):
        for key in ("ansible.builtin.include_tasks", "ansible.builtin.import_tasks"):
            if key in task:
                target = task[key]
                yield Path(target if isinstance(target, str) else target["file"]).stem


class AnyTag(yaml.SafeLoader):
    """Reads Ansible's own tags, such as !unsafe, as what they mark."""


AnyTag.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def load(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader=AnyTag)


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=relative)


@each(HOST_FILES)
def test_what_hosts_run_imports_nothing_that_only_the_controller_runs(path: Path) -> None:
    assert not [file for file in files_imported(path) if "plugin_utils" in file.parts]


@each(UTIL_FILES)
def test_a_room_is_entered_from_above(path: Path) -> None:
    assert room(path) in MAY_ENTER, "a new room: say in MAY_ENTER what it stands on"
    entered = {room(file) for file in files_imported(path)} - {room(path), WORDS}
    assert entered <= MAY_ENTER[room(path)]


@pytest.mark.parametrize("name", sorted(MAY_ENTER))
def test_a_room_may_enter_no_other_than_it_does(name: str) -> None:
    entered = {room(file) for path in UTIL_FILES if room(path) == name for file in files_imported(path)}
    assert MAY_ENTER[name] - entered == set()


@each(UTIL_FILES)
def test_no_file_needs_itself(path: Path) -> None:
    assert path not in beneath(path)


@each(CODE_FILES)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@each([path for path in UTIL_FILES if PURE.fullmatch(str(path.relative_to(PLUGINS)))])
def test_what_only_knows_reaches_nothing_that_acts(path: Path) -> None:
    allowed = sys.stdlib_module_names | ON_THE_CONTROLLER
    for file in {path, *beneath(path)}:
        foreign = {name for level, name in imports(file) if level == 0 and name.split(".")[0] not in allowed}
        assert not foreign, f"{relative(path)} reaches {foreign} through {relative(file)}"


@each([path for path in PLUGIN_FILES if path not in [UTILS / name for name in DOCKER_SDK]])
def test_only_what_calls_the_engine_imports_the_docker_sdk(path: Path) -> None:
    assert not [name for level, name in imports(path) if level == 0 and name.split(".")[0] in ("docker", "requests")]


@each([path for path in PLUGIN_FILES if path != UTILS / "_host" / "module.py"])
def test_only_one_file_ends_a_module(path: Path) -> None:
    endings = {node.attr for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}
    assert not endings & {"exit_json", "fail_json"}


@each([path for path in PLUGIN_FILES if UTILS in path.parents])
def test_module_utils_are_private(path: Path) -> None:
    assert path.relative_to(UTILS).parts[0].startswith("_")


@each(PLUGIN_FILES)
def test_functions_are_short(path: Path) -> None:
    sizes = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions(path)}
    assert not {name: size for name, size in sizes.items() if size > LONGEST_FUNCTION}


@each(PLUGIN_FILES)
def test_files_say_whose_they_are_and_what_they_know(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#!")]
    assert tuple(lines[:2]) == HEADER
    assert ast.get_docstring(tree_of(path)) or constant(path, "DOCUMENTATION")
    assert (0, "__future__") in imports(path)


@each(MODULES)
def test_modules_are_documented(path: Path) -> None:
    assert documentation(path)["module"] == path.stem
    assert constant(path, "EXAMPLES")
    assert constant(path, "RETURN")


class Fragments:
    """Finds this clone's doc fragments for Ansible, as its plugin loader finds those of an installed collection."""

    def get(self, name: str) -> Any:
        path = PLUGINS / "doc_fragments" / f"{name.replace('caravan.kamal.', '')}.py"
        if not path.is_file():
            return None
        found = import_module(f"ansible_collections.caravan.kamal.plugins.doc_fragments.{path.stem}").ModuleDocFragment
        found.ansible_name = name
        return found


@each(MODULES)
def test_modules_declare_what_they_support_and_why_not_in_full(path: Path) -> None:
    documented = documentation(path)
    add_fragments(documented, str(path), Fragments(), is_module=True)
    assert set(documented["attributes"]) == ATTRIBUTES
    for name, attribute in documented["attributes"].items():
        assert attribute["description"], name
        assert attribute["support"] == "full" or attribute.get("details"), name


@each(sorted((PLUGINS / "action").glob("*.py")))
def test_action_plugins_have_a_documented_module_beside_them(path: Path) -> None:
    assert PLUGINS / "modules" / path.name in MODULES


def test_the_action_group_lists_the_modules() -> None:
    runtime = load(ROOT / "meta" / "runtime.yml")
    assert runtime["action_groups"]["kamal"] == [path.stem for path in MODULES]


def test_the_execution_environment_has_what_the_controller_needs() -> None:
    wanted, given = (
        [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
        for name in ("requirements.txt", "meta/ee-requirements.txt")
    )
    assert given == wanted


def test_sanity_finds_are_mended_not_ignored() -> None:
    assert not list((ROOT / "tests" / "sanity").glob("ignore-*"))


@each(PLAYBOOKS)
def test_plays_gather_no_facts(path: Path) -> None:
    plays = [play for play in load(path) if "hosts" in play]
    assert not [play["name"] for play in plays if play.get("gather_facts") is not False]


def test_no_two_test_files_have_the_same_name() -> None:
    """Pytest imports each by its name and stops at the second."""
    names = [path.name for path in (ROOT / "tests" / "unit").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)


@each(PLAYBOOKS)
def test_no_folder_has_the_name_of_a_playbook(path: Path) -> None:
    """Ansible takes the folder for the playbook then, and ends."""
    assert not path.with_suffix("").exists()


@each([*PLAYBOOKS, *TASK_FILES])
def test_yaml_lines_fit(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert not [number for number, line in enumerate(lines, 1) if len(line) > LONGEST_LINE]


@each([*PLAYBOOKS, *(path for path in TASK_FILES if path.parent.name in ("tasks", "handlers"))])
def test_conditions_are_short(path: Path) -> None:
    for task in tasks(load(path)):
        conditions = task.get("when", [])
        for condition in conditions if isinstance(conditions, list) else [conditions]:
            assert len(str(condition)) <= LONGEST_WHEN, task.get("name")


@each(ROLES)
def test_a_role_is_one_that_galaxy_takes(path: Path) -> None:
    assert (path / "README.md").read_text().startswith(f"{GENERATED}\n\n# caravan.kamal.{path.name}\n")
    assert load(path / "meta" / "main.yml")["galaxy_info"].keys() >= GALAXY_INFO


@each(ROLES)
def test_the_defaults_of_a_role_are_those_that_are_described(path: Path) -> None:
    """But for those that follow from something else."""
    points = load(path / "meta" / "argument_specs.yml")["argument_specs"].values()
    described = [(name, option) for point in points for name, option in point.get("options", {}).items()]
    file = path / "defaults" / "main.yml"
    given = {name: value for name, value in (load(file) if file.exists() else {}).items() if "{{" not in str(value)}
    wrong = {name for name, option in described if name in given and option.get("default") != given[name]}
    assert not wrong


@each(ROLES)
def test_every_entry_point_of_a_role_has_its_options_described(path: Path) -> None:
    described = set(load(path / "meta" / "argument_specs.yml")["argument_specs"])
    files = {file.stem: load(file) for file in (path / "tasks").glob("*.yml")}
    inner = {name for content in files.values() for name in included(content)}
    assert described == set(files) - inner
