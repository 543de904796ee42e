# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the image_build module what the plan says about the image, the registry's credentials and secret values.

Where another host builds, it is sent what it lacks of the commit first. How far the build is, is shown meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from functools import partial
from typing import Any, Dict, List, Mapping

from ansible.errors import AnsibleConnectionFailure

from ..module_utils._build import git
from ..module_utils._build.source import LEFT_OUT, commit_of
from ..module_utils._data import to_data
from ..plugin_utils.display import host_line
from ..plugin_utils.display.summary import CONTROLLER
from ..plugin_utils.forks.background import Background
from ..plugin_utils.plan import commit_pack
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, flag, left_out
from ..plugin_utils.progress import reader
from ..plugin_utils.progress.build import Teller

# Made when the main process loads this file, before it forks.
BUILDS = Background()


class ActionModule(PlannedAction):
    module = "caravan.kamal.image_build"
    takes_turns = False

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        if arguments.get("service"):
            return arguments
        planned = to_data(supply.plan.build) or {}
        names = planned.pop("secrets", ())
        planned.pop("host", None)
        filled = {**planned, **arguments}
        if left_out(arguments, "secrets"):
            filled["secrets"] = json.dumps(supply.secrets.values({name: name for name in names}) if names else {})
        if left_out(arguments, "registry"):
            registry = supply.plan.registry
            server = registry.server if registry else None
            filled["registry"] = {"server": server, **(supply.login(registry) or {})}
        if self._is_to_be_sent(filled):
            filled["received"] = commit_pack.describe(
                filled["project_root"], commit_of(filled["project_root"], filled["version"])
            )
        return filled

    def execute(self, module: str, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        """By a process of its own, which ends with the run and ends what it has started, here and elsewhere."""
        waits, nothing = flag(arguments, "wait", default=True), {"changed": False, "actions": []}
        arguments.pop("wait", None)
        build = partial(self._build_there, arguments, task_vars)
        if self._task.check_mode:
            return build() if waits else nothing
        name = self._name(arguments, self.place(task_vars))
        in_the_background = partial(self._in_the_background, build, task_vars)
        if waits:
            return BUILDS.done(name, in_the_background)
        BUILDS.begin(name, in_the_background)
        return nothing

    def _name(self, arguments: Mapping[str, Any], host: str) -> str:
        """What is built where, whoever is told how far it is."""
        what = {name: value for name, value in arguments.items() if name != "progress"}
        return hashlib.sha256(json.dumps([host, what], default=str).encode()).hexdigest()

    def _in_the_background(self, build: Any, task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        try:
            return dict(build())
        except AnsibleConnectionFailure as error:
            return self.lost(task_vars, error)
        except Exception as error:
            return {"failed": True, "msg": str(error)}
        finally:
            self.cleanup(force=True)

    def _build_there(self, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        """Where that is another host, it has what it builds from first."""
        received = arguments.get("received")
        if not received or "objects" in received or self._task.check_mode:
            return self._build(arguments, task_vars)
        known = self._known(arguments)
        answer = self._send_and_build(arguments, known, task_vars)
        if answer.get("lacks") and known:
            answer = self._send_and_build(arguments, [], task_vars)
        if git.uncommitted(arguments["project_root"]):
            told = {name: [*(answer.get(name) or ()), LEFT_OUT] for name in ("notices", "warnings")}
            answer = {**answer, **told}
        return answer

    # A commit for a host that is not this one

    @property
    def _is_here(self) -> bool:
        return bool(self._connection.transport == reader.LOCAL)

    def _is_to_be_sent(self, arguments: Arguments) -> bool:
        root = arguments["project_root"]
        return not self._is_here and left_out(arguments, "context") and git.is_repository(root)

    def _known(self, arguments: Arguments) -> List[str]:
        asking = commit_pack.asking(arguments["service"], arguments["project_root"])
        return str(self._low_level_execute_command(asking)["stdout"]).split()

    def _send_and_build(
        self, arguments: Dict[str, Any], known: List[str], task_vars: Mapping[str, Any]
    ) -> Dict[str, Any]:
        received = arguments["received"]
        objects = None
        if received["commit"] not in known:
            with tempfile.NamedTemporaryFile(prefix="caravan-") as pack:
                commit_pack.write(arguments["project_root"], received["commit"], known, pack.name)
                objects = self._remote("objects")
                self._transfer_file(pack.name, objects)
                self._fixup_perms2([self._connection._shell.tmpdir, objects], execute=False)
        return self._build({**arguments, "received": {**received, "objects": objects}}, task_vars)

    def _remote(self, name: str) -> str:
        """A file in the folder that this task has on the host, and that goes with it."""
        folder = self._connection._shell.tmpdir or self._make_tmp_path()
        return str(self._connection._shell.join_path(folder, name))

    # How far it is

    def _build(self, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        if self._task.check_mode or not left_out(arguments, "progress"):
            return super().execute(self.module, arguments, task_vars)
        host = self.place(task_vars)
        teller = Teller(partial(host_line.tell, CONTROLLER if host == "localhost" else host))
        with reader.heard(self, teller.hear) as reading:
            return super().execute(self.module, {**arguments, "progress": reading.path}, task_vars)
