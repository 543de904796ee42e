# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts get is all that modules need."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.kept import sources
from ansible_collections.caravan.kamal.plugins.plugin_utils.kept.action import KeptAction

ACTIONS = sorted(path.stem for path in (sources.PLUGINS / "action").glob("*.py"))
# Imports every module from what was sent, as the kept process does, and says where it found Ansible's part.
IMPORT = """
import json, sys
code = json.load(sys.stdin)
room = {}
exec(code["ansible_collections.caravan.kamal.plugins.module_utils._kept.finder"][1], room)
room["install"](room["all_compiled"](code))
modules = [name for name in code if ".plugins.modules." in name]
for name in modules:
    assert callable(__import__(name, fromlist=["main"]).main), name
found = [getattr(sys.modules[name], "__file__", "kept/") for name in sys.modules if name.split(".")[0] == "ansible"]
print(json.dumps([modules, [file for file in found if "/ansible/" in file and not file.startswith("kept/")]]))
"""


def test_every_module_is_imported_from_what_is_sent(tmp_path: Path) -> None:
    text = sources.of_this_version().text
    command = [sys.executable, "-c", IMPORT]
    done = subprocess.run(command, input=text, cwd=tmp_path, check=True, capture_output=True)
    modules, from_elsewhere = json.loads(done.stdout)
    assert f"{sources.COLLECTION}.modules.release" in modules
    assert from_elsewhere == []


@pytest.mark.parametrize("name", ACTIONS)
def test_a_module_that_is_asked_for_is_among_them(name: str) -> None:
    action = import_module(f"{sources.COLLECTION}.action.{name}").ActionModule
    if issubclass(action, KeptAction):
        module = action.module.rpartition(".")[2]
        assert f"{sources.COLLECTION}.modules.{module}" in json.loads(sources.of_this_version().text)


def test_other_code_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "__version__", "another")
    assert sources.of_this_version.__wrapped__().name != sources.of_this_version().name
