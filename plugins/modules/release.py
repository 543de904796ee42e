#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: One version of a service's roles on this host, staged or live
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - V(pulled) has the image here and does nothing else.
  - V(staged) does everything that can be done beside the running version. The network and kamal-proxy are there, the
    image is pulled, certificates, error pages and assets are written, and the container of each role is created but not
    started.
  - V(live) starts each role's container, proves it healthy, switches the route in kamal-proxy to it, lets the old
    container drain and stops it, with a line in the audit log and the history for each role. Then it tags the image as
    latest and prunes.
  - A role that went live is on record in the history with the ID of its container. A container that runs without being
    on record, as after a run that was killed, is proven again and then recorded.
  - V(proven) changes no container. It fails if one that went live has exited or was restarted since, is not what went
    live last, or no longer gets the requests. A version that has died is marked as bad in the history, so that
    neither a rollback nor pruning counts on it.
  - A container that does not become healthy is stopped and kept for a look at it. What served before still serves.
  - V(stopped) takes the roles out of kamal-proxy and stops their containers. They stay, for V(started), or for a later
    deploy or rollback.
  - V(started) starts what was live last and was stopped, in the container that it had, proves it and routes to it. One
    that does not come up is stopped again.
  - V(current) stops stale containers, which run beside the one that counts as running and get no requests.
  - V(maintenance) has kamal-proxy answer with a maintenance page, V(paused) has it hold requests. The containers run
    on. V(resumed) ends that, a deploy does not.
  - V(absent) removes the containers, the images that no other destination uses or may go back to, and the service's
    files on this host, except the audit log and the small file that keeps runs apart.
  - Nothing changes when this version already runs with the same image, the same configuration and the same secret
    values.
options:
  state:
    description: How far the version is brought.
    type: str
    choices: [pulled, staged, live, proven, maintenance, paused, resumed, stopped, started, current, absent]
    required: true
  roles:
    description: The roles of this host to act on. Left out, all of them; with an empty list the task is skipped.
    type: list
    elements: str
  part:
    description:
      - V(gate) stands for the roles of this host that others wait for, V(others) for those that wait. On a host that
        has none of them the task is skipped. It wins over O(roles).
    type: str
    choices: [gate, others]
  built:
    description:
      - What M(caravan.kamal.image_build) answered, if it was run. The host then takes that very image, by digest or,
        on the same engine, by ID.
      - Left out, it is what the role C(image) registered in this run.
    type: dict
    default: {}
  image_id:
    description:
      - With O(state=live), the RV(image_id) that O(state=staged) answered on this host. That very image goes live, even
        if another destination, that built the same version differently, has taken its tag meanwhile.
      - Empty, as null is in check mode, it is still to come. Left out, it is what the role C(app) registered when it
        staged the version in this run, else the image that has the version's tag.
    type: str
  maintenance_message:
    description: What the page says with O(state=maintenance).
    type: str
    default: ""
  drain_timeout:
    description:
      - With O(state=maintenance) and O(state=paused), how many seconds requests under way may still take. Left out,
        C(drain_timeout) of the configuration.
    type: int
  max_pause:
    description: With O(state=paused), how many seconds a request waits at most. After that it is answered with 504.
    type: int
    default: 30
  error_pages:
    description: The error pages by their names, such as C(503.html). Left out, those of the project.
    type: dict
    default: {}
  foretold:
    description:
      - What an earlier task of this run has listed for kamal-proxy here, RV(caravan.kamal.proxy#module:actions).
      - In check mode it is still to be done, and with O(state=staged) it is not listed again. Otherwise this changes
        nothing.
      - Left out, it is what the role C(proxy) registered in this run.
    type: list
    elements: str
    default: []
  refuse_mirror:
    description:
      - With O(state=pulled) and O(state=staged), where the image would be pulled through a mirror of Docker Hub that
        the engine has, change nothing and fail with RV(mirror).
      - It is filled in where other hosts may pull at the same time. Then one host pulls through each mirror, which has
        the image afterwards, and the others follow.
    type: bool
    default: false
  force:
    description:
      - Replace containers even if nothing about them differs.
      - Where it is left out, the variable C(kamal_force) says it.
    type: bool
    default: false
  since:
    description:
      - With O(state=proven), the RV(at) that O(state=live) answered on this host. A container that was restarted before
        it is as well as it was then. Left out, no restart is forgiven.
    type: float
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.turn
  - caravan.kamal.told
  - caravan.kamal.docker
  - caravan.kamal.network
  - caravan.kamal.planned
  - caravan.kamal.host_share
seealso:
  - module: caravan.kamal.proxy_service
"""

EXAMPLES = r"""
- name: Stage the version on every host before anything changes
  caravan.kamal.release:
    state: staged

- name: Bring the web role live
  caravan.kamal.release:
    state: live
    roles: [web]

- name: Look again whether the web role has stayed live
  caravan.kamal.release:
    state: proven
    roles: [web]

- name: Show a maintenance page
  caravan.kamal.release:
    state: maintenance
    maintenance_message: Back at noon

- name: Stop the workers for a while
  caravan.kamal.release:
    state: stopped
    roles: [workers]

- name: Start them again as they were
  caravan.kamal.release:
    state: started
    roles: [workers]

- name: Remove every trace of the service from this host
  caravan.kamal.release:
    state: absent

- name: Replace the containers although nothing differs
  caravan.kamal.release:
    state: live
    force: true
"""

RETURN = r"""
version:
  description: The version of the plan.
  returned: success
  type: str
  sample: 3f2a9c1
image_id:
  description: The ID of its image on this host. Null in check mode while it is not there, and when nothing is to run.
  returned: success
  type: str
  sample: sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1
routes:
  description: The routes that were taken out of kamal-proxy, or would be in check mode.
  returned: with O(state=stopped) and O(state=absent)
  type: list
  elements: str
  sample: [hello-web]
before:
  description: For each role the version that went live last before, null where none did.
  returned: when O(state=live) succeeds
  type: dict
  sample: {web: 77d0e21}
at:
  description: When it was done, in seconds since 1970 by the clock of this host.
  returned: when O(state=live) succeeds
  type: float
  sample: 1767225600.25
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [start container hello-web-3f2a9c1, route hello-web to hello-web-3f2a9c1, stop container hello-web-77d0e21]
notices:
  description: What the operator should know although nothing was done about it.
  returned: always
  type: list
  elements: str
  sample: []
mirror:
  description: The address of the mirror that the image would be pulled through.
  returned: with O(refuse_mirror) where it was not pulled for that reason
  type: str
  sample: http://192.0.2.40:5000
container:
  description: The container that did not become healthy.
  returned: when a container did not become healthy
  type: str
  sample: hello-web-3f2a9c1
state:
  description: Its state when it was given up.
  returned: when a container did not become healthy
  type: str
  sample: exited
exit_code:
  description: Its exit code.
  returned: when a container did not become healthy
  type: int
  sample: 1
health_log:
  description: The last results of its health check.
  returned: when a container did not become healthy
  type: list
  elements: str
  sample: []
log:
  description: The last lines that it logged.
  returned: when a container did not become healthy
  type: list
  elements: str
  sample: ["panic: no such table: users"]
"""

from typing import Any, Dict, List

from ..module_utils._app import found_secrets, turn
from ..module_utils._app.maintenance import Maintenance
from ..module_utils._app.release import Release
from ..module_utils._app.retirement import Retirement
from ..module_utils._data import from_data, options
from ..module_utils._host import listening
from ..module_utils._host import module as _module
from ..module_utils._names import Names
from ..module_utils._shares import Built, HostShare

STATES = [
    "pulled",
    "staged",
    "live",
    "proven",
    "maintenance",
    "paused",
    "resumed",
    "stopped",
    "started",
    "current",
    "absent",
]
# They make no container, so that they need no secret.
WITHOUT_CONTAINERS = ("pulled", "proven", "started", "current")
OPTIONS: Dict[str, Any] = {
    **_module.NETWORK_OPTIONS,
    "state": {"type": "str", "choices": STATES, "required": True},
    "plan": {"type": "dict", "options": options(HostShare)},
    "roles": {"type": "list", "elements": "str"},
    "part": {"type": "str", "choices": ["gate", "others"]},
    "built": {"type": "dict", "default": {}},
    "image_id": {"type": "str"},
    "maintenance_message": {"type": "str", "default": ""},
    "drain_timeout": {"type": "int"},
    "max_pause": {"type": "int", "default": 30},
    "error_pages": {"type": "dict", "default": {}},
    "foretold": {"type": "list", "elements": "str", "default": []},
    "refuse_mirror": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "since": {"type": "float"},
    "secrets": {"type": "str", "no_log": True},
    "registry": {"type": "str", "no_log": True},
    "run": turn.OPTION,
    "progress": listening.OPTION,
}
# Seconds that a call may take beyond what it waits for.
MARGIN = 30


def act(request: _module.Request) -> Dict[str, Any]:
    share = from_data(HostShare, request.params["plan"])
    names = Names(share.service, share.destination)
    own_turn = turn.taken(request.changes, names.turn_file, request.params["run"], patience(share))
    with listening.changes_told(request), own_turn:
        return _act(request, share, request.params["state"])


def _act(request: _module.Request, share: HostShare, state: str) -> Dict[str, Any]:
    if state in ("stopped", "absent"):
        return {"version": share.version, "image_id": None, "routes": retire(request, share, state)}
    if state in ("maintenance", "paused", "resumed"):
        maintain(request, share, state)
        return {"version": share.version, "image_id": None}
    release = release_of(request, share)
    roles = request.params["roles"]
    if state in ("started", "current"):
        (release.start if state == "started" else release.stop_stale)(roles)
        return {"version": share.version, "image_id": None}
    if state == "pulled":
        return release.pulled()
    if state == "proven":
        return release.proven(roles, request.params["since"])
    return release.stage(roles) if state == "staged" else release.live(roles)


def release_of(request: _module.Request, share: HostShare) -> Release:
    makes_none = request.params["state"] in WITHOUT_CONTAINERS
    found = {} if makes_none else found_secrets.of_roles(share)
    for values in found_secrets.lying_here(share) if makes_none else found.values():
        request.hide(values)
    return Release(
        engine=request.engine(timeout=longest_call(share)),
        changes=request.changes,
        share=share,
        secrets=request.secrets,
        built=Built.of(request.params["built"]),
        credentials=request.credentials,
        force=request.params["force"],
        foretold=request.params["foretold"],
        image_id=request.params["image_id"],
        found=found,
        error_pages=request.params["error_pages"],
        refuse_mirror=request.params["refuse_mirror"],
    )


def retire(request: _module.Request, share: HostShare, state: str) -> List[str]:
    roles = request.params["roles"] if state == "stopped" else None
    retirement = Retirement(request.engine(timeout=longest_call(share)), request.changes, share, roles)
    return retirement.stop() if state == "stopped" else retirement.remove()


def maintain(request: _module.Request, share: HostShare, state: str) -> None:
    params, seconds = request.params, request.params["drain_timeout"]
    engine = request.engine(timeout=longest_call(share) + (seconds or 0))
    maintenance = Maintenance(engine, request.changes, share, params["roles"])
    if state == "maintenance":
        maintenance.begin(seconds, params["maintenance_message"])
    elif state == "paused":
        maintenance.pause(seconds, params["max_pause"])
    else:
        maintenance.end()


def longest_call(share: HostShare) -> int:
    """Seconds for the slowest call: a deploy that waits for health and then drains, or a stop."""
    waits = [role.deploy_timeout + role.drain_timeout + (role.stop_timeout or 0) for role in share.roles]
    return max(waits, default=0) + MARGIN


def patience(share: HostShare) -> int:
    """Seconds that another run may need for what it has begun: all roles one after another."""
    roles = [
        role.deploy_timeout + role.readiness_delay + role.drain_timeout + (role.stop_timeout or 0)
        for role in share.roles
    ]
    return sum(roles) + turn.PATIENCE


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
