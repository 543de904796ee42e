# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the image_delivery module what the steps before it found out, and carries the layers between the machines.

With a registry on the controller it opens the way to it for as long as it takes to pull.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from contextlib import nullcontext
from dataclasses import fields
from functools import partial
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible.errors import AnsibleConnectionFailure

from ..module_utils._data import from_data, to_data
from ..module_utils._delivery import departure
from ..module_utils._delivery.parts import Listed, Saved, SavedLayer
from ..module_utils._errors import CaravanError, ImageError
from ..module_utils._names import Names
from ..module_utils._shares import Built, is_about
from ..plugin_utils import tunnel
from ..plugin_utils.delivery import Place, Sending
from ..plugin_utils.display import host_line
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, flag, left_out, number

LISTED, LACKING, SAVED, BUILT = "_kamal_listed", "_kamal_lacking", "_kamal_saved", "_kamal_built"
REGISTRY, PUSHED, PULLED = "_kamal_registry", "_kamal_pushed", "_kamal_pulled"
# What is known of an image on a host, however it came there.
OF_AN_IMAGE = ("image_id", "digest", "pushed", "repository", "tag", "sent")
LOCAL = re.compile("localhost:[0-9]+/")


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
        if state == "pulled" and self._task.check_mode and _is_foretold(listed, task_vars):
            return _to_come(listed, f"pull {listed['reference']}")
        if not listed.get("image_id"):
            return self._of_none(state, listed, task_vars)
        reason = self._no_need(state, listed["reference"], task_vars)
        if reason:
            return _skipped(reason)
        return _had(task_vars[PULLED]) if state == "loaded" and _has_pulled(task_vars, listed["reference"]) else None

    def _of_none(self, state: str, listed: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        if state == "pushed" and _would_be_pushed(listed, task_vars):
            actions = [f"push {listed['reference']}"]
            return {"changed": True, "actions": actions, "digest": None, "reason": None, "notices": []}
        if state != "loaded" or not listed.get("pending"):
            return _skipped("there is no image")
        return _had(task_vars[PULLED]) if _has_pulled(task_vars, listed["reference"]) else _to_come(listed)

    def _no_need(self, state: str, reference: str, task_vars: Mapping[str, Any]) -> Optional[str]:
        """Why there is nothing to do in a step."""
        if state == "pulled":
            lacks = not (task_vars.get(LACKING) or {}).get("here")
            digest = self._task.args.get("digest") or (task_vars.get(PUSHED) or {}).get("digest")
            return None if lacks and digest else "there is nothing to pull"
        if state == "pushed" and not (task_vars.get(REGISTRY) or {}).get("here"):
            return "there is no registry on the controller"
        is_had = state == "saved" and (
            self._task.check_mode or all(each["here"] for each in _lacking(task_vars, reference))
        )
        return "every host has the image" if is_had else None

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        share = handover.host_share(supply.plan, supply.host)
        filled = {**arguments, "folder": f"{Names(share.service, share.destination).app_directory}/layers"}
        if arguments["state"] == "listed":
            is_here = supply.plan.registry_here is not None and self._connection.transport == "local"
            reference = arguments.get("reference") or share.image.reference
            image_id = arguments.get("image_id") or _image_of_this_run(supply, reference)
            return {"fetch": is_here, **filled, "reference": reference, "image_id": image_id}
        if left_out(arguments, "image"):
            filled["image"] = _part(supply.value(LISTED), Listed)
        if arguments["state"] == "pulled" and left_out(arguments, "digest"):
            filled["digest"] = supply.value(PUSHED)["digest"]
        if arguments["state"] == "saved" and left_out(arguments, "layers"):
            lacking = _lacking(self._variables, filled["image"]["reference"])
            filled["layers"] = sorted({layer for each in lacking for layer in each["layers"]})
        if arguments["state"] == "loaded" and left_out(arguments, "saved"):
            answer = supply.value(SAVED)
            filled["saved"] = _part(answer, Saved) if answer and "config" in answer else None
        return filled

    def execute(self, module: str, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        state = arguments["state"]
        if state == "listed" and self._is_to_be_built(arguments["reference"], task_vars):
            return {"changed": False, "reference": arguments["reference"], "image_id": None, "pending": True}
        if state in ("pushed", "pulled"):
            return self._by_registry(module, arguments, task_vars)
        if state == "loaded" and not self._task.check_mode and not self._send_all(arguments, task_vars):
            return {"changed": False, "actions": [], "sent": arguments["sent"], "unfinished": True}
        result = super().execute(module, arguments, task_vars)
        if state == "listed" and self._task.check_mode and result.get("changed"):
            result["pending"] = True
        if state == "saved" and not result.get("failed") and self._connection.transport != "local":
            result["folder"] = self._fetched(result)
        return result

    def _is_to_be_built(self, reference: str, task_vars: Mapping[str, Any]) -> bool:
        answer = task_vars.get(BUILT) or {}
        return is_about(answer, reference) and Built.of(answer).pending

    # A registry on the controller

    def _by_registry(self, module: str, arguments: Arguments, task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        reference = arguments["image"]["reference"]
        is_here = self._task.check_mode or self._connection.transport == "local"
        way = nullcontext() if is_here else self._tunnel(reference).opened()
        reason = "the connection was lost meanwhile"
        try:
            with way:
                result = super().execute(module, arguments, task_vars)
        except (tunnel.NoTunnel, AnsibleConnectionFailure) as error:
            reason = str(error) if isinstance(error, tunnel.NoTunnel) else reason
            if flag(arguments, "required", default=True):
                raise ImageError(f"{reference} does not get through SSH: {reason}.") from error
            result = {"changed": False, "actions": [], "digest": None, "image_id": None, "reason": reason}
        host = self.place(task_vars) if arguments["state"] == "pulled" else "the hosts"
        return tunnel.told(result, reference.partition("/")[0], host)

    def _tunnel(self, reference: str) -> tunnel.Tunnel:
        return tunnel.Tunnel(self, int(reference.partition("/")[0].rpartition(":")[2]))

    # Layers

    def _send_all(self, arguments: Arguments, task_vars: Mapping[str, Any]) -> bool:
        """Send what is lacking, and add to `arguments` how much that was; False where there was no time for all of it.
        A way to the registry that a killed run has left is closed."""
        reference, is_all = arguments["image"]["reference"], True
        if LOCAL.match(reference):
            self._tunnel(reference).end_leftover()
        if arguments.get("saved"):
            arguments["sent"], is_all = self._sent(arguments, task_vars)
        return is_all

    def _sent(self, arguments: Arguments, task_vars: Mapping[str, Any]) -> Tuple[int, bool]:
        lacking = task_vars[LACKING]
        files = from_data(Saved, arguments["saved"], "saved").of(lacking["layers"])
        place = Place(lacking["folder"], lacking["arrived"], lacking["free"])
        tell = partial(host_line.tell, task_vars["inventory_hostname"])
        folder = task_vars[SAVED]["folder"]
        try:
            return Sending(self, place, tell, number(arguments, "send_until") or None).send(folder, files)
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


def _image_of_this_run(supply: Supply, reference: str) -> Optional[str]:
    """The ID of what this run has built, else of what it has found before: the tag may be another build's by now."""
    built, before = supply.registered(BUILT) or {}, supply.registered(LISTED) or {}
    if "engine_id" in built and is_about(built, reference):
        return built.get("image_id")
    return before.get("image_id") if before.get("reference") == reference else None


def _lacking(task_vars: Mapping[str, Any], reference: str) -> List[Mapping[str, Any]]:
    """What the hosts of the play lack of an image, but for those that have pulled it by now."""
    hosts = [task_vars["hostvars"][host] for host in task_vars["ansible_play_hosts"]]
    answers = (host.get(LACKING) for host in hosts if not _has_pulled(host, reference))
    return [answer for answer in answers if answer and "here" in answer]


def _has_pulled(variables: Mapping[str, Any], reference: str) -> bool:
    """Or would in check mode."""
    answer = variables.get(PULLED) or {}
    return is_about(answer, reference) and bool(answer.get("image_id") or answer.get("foretold"))


def _had(pulled: Mapping[str, Any]) -> Dict[str, Any]:
    """What an image that was pulled is to those who ask for one that was sent."""
    return {**{name: pulled[name] for name in OF_AN_IMAGE}, "changed": False, "actions": [], "notices": []}


def _is_foretold(listed: Mapping[str, Any], task_vars: Mapping[str, Any]) -> bool:
    """In check mode: whether the image would be pushed to the registry and pulled from there."""
    if not listed.get("image_id") and not listed.get("pending"):
        return False
    here, reason = (task_vars.get(REGISTRY) or {}).get("here"), (task_vars.get(PUSHED) or {}).get("reason")
    return bool(here and not reason and not (task_vars.get(LACKING) or {}).get("here"))


def _would_be_pushed(listed: Mapping[str, Any], task_vars: Mapping[str, Any]) -> bool:
    """In check mode: an image that is built first. One that would be fetched is in the registry."""
    is_built = listed.get("pending") and not listed.get("changed")
    return bool(is_built and (task_vars.get(REGISTRY) or {}).get("here"))


def _part(answer: Any, kind: Any) -> Dict[str, Any]:
    """Of an answer what its dataclass has: Ansible adds more to it."""
    return {field.name: to_data(answer[field.name]) for field in fields(kind)}


def _skipped(reason: str) -> Dict[str, Any]:
    return {"skipped": True, "changed": False, "skip_reason": reason}


def _to_come(listed: Mapping[str, Any], action: Optional[str] = None) -> Dict[str, Any]:
    """In check mode: an image that is built first is taken to every host."""
    repository, _colon, tag = str(listed["reference"]).rpartition(":")
    actions = [action or f"load {listed['reference']}, with the layers that are lacking"]
    answer = {"image_id": None, "digest": None, "pushed": False, "repository": repository, "tag": tag, "sent": 0}
    return {"changed": True, "actions": actions, "notices": [], "foretold": bool(action), **answer}
