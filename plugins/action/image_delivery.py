# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the image_delivery module what the steps before it found out, and carries the layers between the machines."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import fields
from functools import partial
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..module_utils._data import from_data, to_data
from ..module_utils._delivery import departure
from ..module_utils._delivery.parts import Listed, Saved, SavedLayer
from ..module_utils._errors import CaravanError, ImageError
from ..module_utils._names import Names
from ..module_utils._shares import Built
from ..plugin_utils import host_line
from ..plugin_utils.delivery import Place, Sending
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, left_out

LISTED, LACKING, SAVED, BUILT = "_kamal_listed", "_kamal_lacking", "_kamal_saved", "_kamal_built"


class ActionModule(PlannedAction):
    module = "caravan.kamal.image_delivery"
    takes_turns = False
    _variables: Mapping[str, Any] = {}

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        self._variables = variables = task_vars or {}
        answered = self._without_a_module(str(self._task.args.get("state")), variables)
        if answered is not None:
            return answered
        try:
            return super().run(tmp, variables)
        except CaravanError as error:
            return {"failed": True, "msg": error.message}

    def _without_a_module(self, state: str, task_vars: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
        """In check mode an image may have to be built first; where nobody has one there is nothing to take anywhere."""
        listed = task_vars.get(LISTED) or {}
        if state == "listed" or self._task.args.get("image"):
            return None
        if not listed.get("image_id"):
            return _to_come(listed) if state == "loaded" and listed.get("pending") else _skipped("there is no image")
        if state == "saved" and (self._task.check_mode or all(each["here"] for each in _of_hosts(task_vars))):
            return _skipped("every host has the image")
        return None

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        share = handover.host_share(supply.plan, supply.host)
        filled = {**arguments, "folder": f"{Names(share.service, share.destination).app_directory}/layers"}
        if arguments["state"] == "listed":
            return {**filled, "reference": arguments.get("reference") or share.image.reference}
        if left_out(arguments, "image"):
            filled["image"] = _part(supply.value(LISTED), Listed)
        if arguments["state"] == "saved" and left_out(arguments, "layers"):
            filled["layers"] = sorted({layer for each in _of_hosts(self._variables) for layer in each["layers"]})
        if arguments["state"] == "loaded" and left_out(arguments, "saved"):
            answer = supply.value(SAVED)
            filled["saved"] = _part(answer, Saved) if answer and "config" in answer else None
        return filled

    def execute(self, module: str, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        state = arguments["state"]
        if state == "listed" and self._is_to_be_built(arguments["reference"], task_vars):
            return {"changed": False, "reference": arguments["reference"], "image_id": None, "pending": True}
        if state == "loaded" and arguments.get("saved") and not self._task.check_mode:
            arguments["sent"], is_all = self._sent(arguments, task_vars)
            if not is_all:
                return {"changed": False, "actions": [], "sent": arguments["sent"], "unfinished": True}
        result = super().execute(module, arguments, task_vars)
        if state == "saved" and not result.get("failed") and self._connection.transport != "local":
            result["folder"] = self._fetched(result)
        return result

    def _is_to_be_built(self, reference: str, task_vars: Mapping[str, Any]) -> bool:
        answer = task_vars.get(BUILT) or {}
        built = f"{answer.get('repository')}:{answer.get('tag')}" == reference
        return built and Built.of(answer).pending

    def _sent(self, arguments: Arguments, task_vars: Mapping[str, Any]) -> Tuple[int, bool]:
        lacking = task_vars[LACKING]
        files = from_data(Saved, arguments["saved"], "saved").of(lacking["layers"])
        place = Place(lacking["folder"], lacking["arrived"], lacking["free"])
        tell = partial(host_line.tell, task_vars["inventory_hostname"])
        folder = task_vars[SAVED]["folder"]
        try:
            return Sending(self, place, tell, arguments.get("send_until")).send(folder, files)
        except PermissionError as error:
            raise ImageError(
                f"The layers were saved in {folder} by another user than that of this run, who cannot read them: the "
                "task that saved them became somebody else. Leave become to the hosts that need it."
            ) from error

    def _fetched(self, saved: Mapping[str, Any]) -> str:
        """The folder of the controller that has what another host has saved, where it is removed."""
        folder = departure.new_folder()
        try:
            for file in (from_data(SavedLayer, each, "files") for each in saved["files"]):
                self._connection.fetch_file(f"{saved['folder']}/{file.name}", os.path.join(folder, file.name))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            self._low_level_execute_command(f"rm -rf {shlex.quote(saved['folder'])}", executable="/bin/sh")
        return folder


def _of_hosts(task_vars: Mapping[str, Any]) -> List[Mapping[str, Any]]:
    """What the hosts of the play lack."""
    hostvars = task_vars["hostvars"]
    answers = (hostvars[host].get(LACKING) for host in task_vars["ansible_play_hosts"])
    return [answer for answer in answers if answer and "here" in answer]


def _part(answer: Any, kind: Any) -> Dict[str, Any]:
    """Of an answer what its dataclass has: Ansible adds more to it."""
    return {field.name: to_data(answer[field.name]) for field in fields(kind)}


def _skipped(reason: str) -> Dict[str, Any]:
    return {"skipped": True, "changed": False, "skip_reason": reason}


def _to_come(listed: Mapping[str, Any]) -> Dict[str, Any]:
    """In check mode: an image that is built first is taken to every host."""
    repository, _colon, tag = str(listed["reference"]).rpartition(":")
    action = f"load {listed['reference']}, with the layers that are lacking"
    answer = {"image_id": None, "digest": None, "pushed": False, "repository": repository, "tag": tag}
    return {"changed": True, "actions": [action], "notices": [], **answer}
