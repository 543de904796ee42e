# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the release module this host's share of the plan and the secret values that it names."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Mapping, Optional

from ..module_utils._data import to_data
from ..module_utils._references import server_of, tagged
from ..module_utils._shares import HostShare, ImageShare, is_about, needed_secrets
from ..plugin_utils.display.live_line import NO_ROLE_YET
from ..plugin_utils.forks.first_pull import FirstPulls, Pull
from ..plugin_utils.kept.way import BRIEFLY
from ..plugin_utils.plan import pages
from ..plugin_utils.plan.action import Arguments, PassedOver, PlannedAction, Supply, left_out

# What a release needs of what a build answered: Ansible adds warnings to it that cannot be sent to a host.
OF_A_BUILD = ("repository", "tag", "image_id", "digest", "pushed")
NEEDS_SECRETS = ("staged", "live")
NEEDS_LOGIN = ("pulled", *NEEDS_SECRETS)
PULLS = ("pulled", "staged")
# In a task it would be a template, which costs each host as much as all that is read of the plan.
FORCE = "kamal_force"
# Made when the main process loads this file, before it forks.
FIRST_PULLS = FirstPulls()


class ActionModule(PlannedAction):
    module = "caravan.kamal.release"
    makes_networks = True
    may_take_long = True

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        if arguments.get("roles") == []:
            raise PassedOver(NO_ROLE_YET)
        share = supply.host_share(arguments)
        arguments = {**_registered(supply, arguments.get("state")), **arguments, **_part(arguments, share)}
        if _is_the_last(arguments, share):
            self.stays = BRIEFLY
        filled = {**arguments, "plan": to_data(share), "built": _built(arguments.get("built"), share.image)}
        if arguments.get("state") in NEEDS_LOGIN and left_out(arguments, "registry"):
            filled["registry"] = supply.app_login
        if arguments.get("state") in NEEDS_SECRETS:
            if left_out(arguments, "force") and supply.value(FORCE) is not None:
                filled["force"] = supply.value(FORCE)
            if left_out(arguments, "secrets"):
                filled["secrets"] = supply.handed(needed_secrets(share.roles))
            if share.error_pages and left_out(arguments, "error_pages"):
                filled["error_pages"] = pages.planned(supply.plan.error_pages_path or "", share.error_pages)
        return filled

    def _patiently(self, arguments: Arguments, variables: Mapping[str, Any]) -> Dict[str, Any]:
        """Where several hosts would pull through one mirror, one of them does it before the others."""
        if not self._may_share_a_mirror(arguments, variables):
            return super()._patiently(arguments, variables)
        answer = super()._patiently({**arguments, "refuse_mirror": True}, variables)
        if not answer.get("mirror"):
            return answer
        image, tell = arguments["plan"]["image"], partial(self.tell, variables)
        what = tagged(image["repository"], image["tag"])
        pull = Pull(str(self._task._uuid), self.place(variables), what, str(answer["mirror"]))
        alone = partial(super()._patiently, {**arguments, "state": "pulled"}, variables)
        pulled = FIRST_PULLS.wait(pull, alone, tell)
        if pulled.get("failed") or (pulled and arguments["state"] == "pulled"):
            return pulled
        return _together(pulled, super()._patiently(arguments, variables))

    def _may_share_a_mirror(self, arguments: Arguments, variables: Mapping[str, Any]) -> bool:
        """Only images of Docker Hub have mirrors."""
        image, hosts = arguments["plan"]["image"], variables.get("ansible_play_hosts") or ()
        is_asked = arguments.get("state") in PULLS and left_out(arguments, "refuse_mirror") and len(hosts) > 1
        return is_asked and not self._task.check_mode and image["pull"] and not server_of(image["repository"])


def _together(pulled: Mapping[str, Any], rest: Mapping[str, Any]) -> Dict[str, Any]:
    """What two modules did one after the other, as one answer. What the first had to say the second says too."""
    actions = [*pulled.get("actions", ()), *rest.get("actions", ())]
    changed = bool(pulled.get("changed") or rest.get("changed"))
    return {**rest, "actions": actions, "changed": changed} if pulled else dict(rest)


def _part(arguments: Arguments, share: HostShare) -> Arguments:
    """The roles that are meant by the name of a part."""
    parts = {"gate": share.gate_roles, "others": share.other_roles}
    if arguments.get("part") not in parts:
        return {}
    if not parts[arguments["part"]]:
        raise PassedOver(NO_ROLE_YET)
    return {"roles": list(parts[arguments["part"]])}


def _registered(supply: Supply, state: Any) -> Arguments:
    """What earlier tasks of the roles answered, as far as it is of use."""
    if state == "live":
        staged = supply.registered("_kamal_staged")
        return {} if staged is None else {"image_id": staged.get("image_id") or ""}
    if state == "staged":
        foretold = (supply.registered("_kamal_proxy_result") or {}).get("actions") or []
        return {"built": supply.registered("_kamal_built"), "foretold": foretold}
    return {}


def _is_the_last(arguments: Arguments, share: HostShare) -> bool:
    """Whether a rollout has no more for this host to do than to look at it once again."""
    rest = set(share.other_roles) - set(arguments.get("roles") or share.other_roles)
    return arguments.get("state") == "live" and not rest


def _built(answer: Optional[Mapping[str, Any]], image: ImageShare) -> Mapping[str, Any]:
    """What a build answered, unless that was of another image."""
    ours = answer and is_about(answer, image.reference)
    return {name: answer[name] for name in OF_A_BUILD if name in answer} if answer and ours else {}
