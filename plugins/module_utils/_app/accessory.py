# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An accessory on a host: a container that outlives releases, replaced only where its own configuration has changed."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence

from .. import _body, _names, _references
from .._errors import AccessoryError
from .._host.engine import Image, Inspected
from .._host.health import is_connected
from .._host.steps import attempt
from . import command_leftovers, env_file
from .accessory_data import AccessoryData
from .accessory_host import AccessoryHost, is_running
from .accessory_owner import AccessoryOwner
from .accessory_route import AccessoryRoute
from .replacement import Replacement


class Accessory:
    """The states of an accessory. Each returns `container`, the name of its container, and the `routes` that it has."""

    def __init__(self, host: AccessoryHost) -> None:
        self.host, self.share, self.changes, self.engine = host, host.share, host.changes, host.engine
        self.name = host.name
        self.container = self.engine.inspect(self.name)
        self.staged = self.engine.inspect(_names.staged(self.name))
        self.aside = self.engine.inspect(_names.put_aside(self.name))
        self.was_interrupted = host.files.interrupted = self.staged is not None
        self.owner = AccessoryOwner(host)
        self.owner.require_ours(self.container)
        self.booted_for = self.owner.another(self.container or self.staged or self.aside)
        self.route = AccessoryRoute(host, shared=self.booted_for is not None)

    def present(
        self, recreate: bool = False, pull: bool = False, backup: bool = True, upgrade: bool = False
    ) -> Dict[str, Any]:
        """There and running as the configuration says. With `pull` the registry is asked for a newer image; with
        `upgrade` one that Kamal 1 booted, outside its network, is replaced."""
        if recreate:  # which makes it ours
            self.booted_for, self.route = None, AccessoryRoute(self.host)
        self._clear_up(resume=not recreate or self.container is None)
        self.route.prepare()
        newest = self._image(newest=True) if pull else None
        container, goes_on = self.container, self.staged is not None
        recreate = recreate or (upgrade and self._is_outside(container))
        if goes_on or container is None or recreate or self._must_be_replaced(container, newest):
            if not newest:
                self._image(newest=False)
            ran = is_running(container) or self.was_interrupted
            Replacement(self.host, self.route, container, ran=ran, goes_on=goes_on, backup=backup).run()
        else:
            self._keep(container)
        self.route.clean()
        is_ours = container is None or recreate or _body.is_made_here(container)
        if is_ours and self.share.secrets_file is None:
            env_file.ensure(self.changes, self.share.env_file, self.host.values)
        return self._answer()

    def started(self) -> Dict[str, Any]:
        """The container that there is runs, whatever its configuration says by now."""
        self._clear_up(resume=False)
        if self.container is None:
            raise AccessoryError(
                f"{self.name} is not on {self.share.host}: it was never booted there. Boot it with "
                f"caravan.kamal.accessory.boot -e kamal_accessory={self.share.name}."
            )
        self.route.certify()
        self._start(self.container)
        return self._answer()

    def stopped(self) -> Dict[str, Any]:
        self.route.remove()
        for name in self.host.names[:2]:
            if is_running(self.engine.inspect(name)):
                self.host.stop(name)
        return self._answer()

    def restarted(self) -> Dict[str, Any]:
        self._clear_up(resume=False)
        if self.container and is_running(self.container):
            self.route.certify()
            self.route.hold()
            lead = partial(self.route.lead_to, self.container["Id"])
            self._take("restart", partial(self.host.stop, self.name), self.host.start, lead)
            return self._answer()
        return self.started()

    def absent(self, with_data: bool = False, foretold: Sequence[str] = ()) -> Dict[str, Any]:
        """Its container, env file and image go, its data only if asked. One of another destination stays.

        `foretold`: the actions that an earlier task of the run has listed; in check mode they are still to be done.
        """
        there = next((name for name in self.host.names if self.engine.inspect(name)), None)
        why = self.owner.why_it_stays(self.engine.inspect(there) if there else None)
        data = AccessoryData(self.host, self.container)
        if why and there:
            self.changes.notice(
                f"{there} stays on this host: {why}. If nothing needs it, remove it there: docker rm -f {there}"
            )
        elif why:
            data.tell_that_it_stays(f"{why}. If nothing needs it, remove it there.")
        else:
            self.stopped()
            for name in self.host.names:
                if self.engine.inspect(name):
                    text = f"Remove {self.share.name} accessory container"
                    self.host.do(f"remove container {name}", text, partial(self.engine.remove, name))
            # Those that were made ready for a terminal too: what they are like is gone.
            commands = command_leftovers.remove(self.engine, self.changes, self.name, after=0)
            self._remove_image([*self.host.names, *commands])
            self.route.forget()
            if with_data:
                data.remove()
            else:
                data.tell_that_it_stays()
        if not (self.changes.check_mode and _goes_with_a_folder(self.share.env_file, foretold)):
            env_file.remove(self.changes, self.share.env_file)
        return self._answer()

    def _remove_image(self, gone: List[str]) -> None:
        """Unless something else was made from it than what is gone."""
        reference: str = self.share.body["Image"]
        image = self.engine.image(reference)
        others = [each for each in self.engine.containers() if each.name not in gone]
        if image and image.id not in [each.image_id for each in others]:
            text = f"Removed {self.share.name} accessory image"
            self.host.do(f"remove image {reference}", text, partial(self.engine.remove_image, reference))

    # What a run that did not end has left

    def _clear_up(self, resume: bool) -> None:
        """Its new container goes on if that is wanted now; what else it left goes, and the old files come back."""
        aside = self.aside
        if self.container is None and aside is not None:
            aside = self._give_name_back(aside)
        if self.staged is not None and not (resume and self._can_go_on(self.staged)):
            self._require_that_it_may_end(self.staged, resume)
            self.changes.do(f"remove container {_names.staged(self.name)}", self._remove_staged)
            self.staged = None
        if aside is not None:
            name = _names.put_aside(self.name)
            self.changes.do(f"remove container {name}", partial(self._remove, name))
        if self.staged is None and not self.host.files.interrupted and not self.changes.check_mode:
            self.host.files.forget()

    def _give_name_back(self, aside: Inspected) -> Optional[Inspected]:
        """Killed between two renames: the new one was ready, or is gone."""
        successor = _names.staged(self.name) if self.staged else _names.put_aside(self.name)
        self.changes.do(f"rename container {successor} to {self.name}", partial(self._rename, successor))
        self.container, rest = (self.staged, aside) if self.staged else (aside, None)
        self.staged, self.host.files.interrupted = None, False
        return rest

    def _rename(self, name: str) -> None:
        self.engine.rename(name, self.name)

    def _can_go_on(self, staged: Inspected) -> bool:
        self.host.files.interrupted = False
        goes_on = is_running(staged) and not staged.get("RestartCount") and self.host.is_wanted(staged)
        self.host.files.interrupted = not goes_on
        return goes_on

    def _require_that_it_may_end(self, staged: Inspected, resume: bool) -> None:
        """One that is stopped in its first steps may never start again, and of another destination's the files that
        were there before are not known here."""
        booted_for = self.owner.another(staged)
        is_first = self.container is None
        if is_running(staged) and (booted_for or (is_first and not resume)):
            whose, there = (f" for {booted_for}", " there") if booted_for else ("", "")
            raise AccessoryError(
                f"{self.name} is not ready on {self.share.host} yet: what was booted{whose} runs on as "
                f"{_names.staged(self.name)}. Boot it again{there}, which goes on with it: "
                f"caravan.kamal.accessory.boot -e kamal_accessory={self.share.name}. To have it made anew, stop it "
                "before that with caravan.kamal.accessory.stop."
            )

    def _remove_staged(self) -> None:
        """The way back that its run did not come to. The container goes last: it is what tells that there was one."""
        self.engine.stop(_names.staged(self.name), None)
        self.host.files.restore()
        if self.container is not None and not is_running(self.container):
            # One that cannot start must not keep the next one from taking its place.
            for trouble in attempt(partial(self.engine.start, self.name)):
                self.changes.notice(trouble)
        self.engine.remove(_names.staged(self.name))
        self.host.files.interrupted = False

    def _remove(self, name: str) -> None:
        self.engine.stop(name, None)
        self.engine.remove(name)

    # What has to change

    def _image(self, newest: bool) -> Optional[str]:
        """The ID of the image, which is pulled where it is missing or, if asked, where the registry has a newer one."""
        reference: str = self.share.body["Image"]
        image = self.engine.image(reference)
        if image is None or (newest and self._is_old(reference, image)):
            self.changes.do(f"pull {reference}", lambda: self.engine.pull(reference, self.host.credentials))
            image = self.engine.image(reference) if not self.changes.check_mode else None
            return image.id if image else "to be pulled"
        return image.id

    def _is_old(self, reference: str, image: Image) -> bool:
        repository = _references.split(reference)[0]
        digest = self.engine.registry_digest(reference, self.host.credentials)
        return digest is not None and digest not in image.digests_in(repository)

    def _must_be_replaced(self, container: Inspected, image_id: Optional[str]) -> bool:
        if not _body.is_made_here(container):
            return self._tell_that_it_is_kamals(container)
        differs = not self.host.is_wanted(container, image_id)
        if self.booted_for is None:
            return differs
        if differs or self.route.theirs:
            how = "runs with other settings" if differs else "is routed otherwise"
            self.changes.notice(
                f"{self.name} {how} than accessories/{self.share.name} says, but it was booted for {self.booted_for}. "
                f"Each destination that is to have one of its own needs another accessories/{self.share.name}/service."
            )
        return False

    def _is_outside(self, container: Optional[Inspected]) -> bool:
        """Whether it was made for another network than the one where the others look for it by its name."""
        if container is None or _body.is_made_here(container):
            return False
        return self.share.body["HostConfig"]["NetworkMode"] not in (container["NetworkSettings"]["Networks"] or {})

    def _tell_that_it_is_kamals(self, container: Inspected) -> bool:
        """Its settings cannot be compared, but what can be seen is."""
        if container["Config"]["Image"] != self.share.body["Image"] or self.host.files.differing():
            self.changes.notice(
                f"{self.name} was booted by Kamal and is not as accessories/{self.share.name} says. It is left alone "
                f"until caravan.kamal.accessory.reboot -e kamal_accessory={self.share.name} makes it anew."
            )
        return False

    def _keep(self, container: Inspected) -> None:
        network = container["HostConfig"]["NetworkMode"]
        if not is_connected(container):
            self.host.ensure_network(network)
            text = f"Connected {self.share.name} accessory"
            connect = partial(self.engine.attach, network, self.name)
            self.host.do(f"connect {self.name} to network {network}", text, connect)
        if _body.is_made_here(container) and self.booted_for is None:
            self.host.files.adjust()
        self._start(container)

    def _start(self, container: Inspected) -> None:
        lead = partial(self.route.lead_to, container["Id"])
        if container["State"]["Status"] == "running":
            lead()
        else:
            self._take("start", self.host.start, lead)

    def _take(self, what: str, *steps: Callable[[], object]) -> None:
        """Each of the steps: what was stopped runs again and is served, whatever cannot be written down."""
        troubles = list(dict.fromkeys(attempt(*steps)))
        if troubles:
            raise AccessoryError(
                f"Not all that belongs to the {what} of {self.name} on {self.share.host} could be done: "
                f"{'; '.join(troubles)}"
            )

    def _answer(self) -> Dict[str, Any]:
        return {"container": self.name, "routes": [self.name] if self.share.route is not None else []}


def _goes_with_a_folder(path: str, actions: Sequence[str]) -> bool:
    """Whether one of the actions removes a folder that the path is in."""
    return any(path.startswith(f"{action[len('remove ') :]}/") for action in actions if action.startswith("remove "))
