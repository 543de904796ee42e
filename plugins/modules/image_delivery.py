#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: image_delivery
short_description: An image from the engine that has it to a host, without a registry that hosts reach
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Takes an image to hosts over the connections that Ansible has to them. Only those layers travel that a host lacks,
    compressed.
  - It is done in steps. V(listed) says what the image is made of, on the engine that has it. V(lacking) says which
    layers of it a host lacks. V(saved) makes files of the layers that any host lacks, on the engine that has them, and
    brings them to the controller. V(loaded) sends a host what it lacks and has its engine put the image together.
  - With a registry on the controller there are two more before V(saved). V(pushed) has the engine push the image to it,
    and V(pulled) has a host pull it, by its digest, from the same port of its own, which leads to the controller over
    the connection of kind C(ssh) that is there and is closed again afterwards. Where that cannot be, RV(reason) says
    why, and what the host lacks is sent.
  - What was sent in part goes on in the next run. Each file is compared with its hash before it is used, and the engine
    compares each layer with the hash that the image names.
  - Nothing that runs on the host is touched, and nothing is left running there.
  - An engine that leaves its images to containerd gets all layers each time.
options:
  state:
    description: Which step it is.
    type: str
    choices: [listed, lacking, pushed, pulled, saved, loaded]
    required: true
  reference:
    description: The image, with its tag. Left out, that of the plan.
    type: str
  image_id:
    description:
      - With O(state=listed), the ID of the image, which may have lost its tag to another build since. One that is gone
        is an error.
      - Left out, it is filled in with what this run has built or was answered before.
    type: str
  fetch:
    description:
      - With O(state=listed), whether the engine is to pull the image first if it lacks it. It is filled in for a
        registry on the controller. One that does not have it or does not answer is no error.
    type: bool
    default: false
  image:
    description: What V(listed) answered. Left out, it is filled in from C(_kamal_listed).
    type: dict
  digest:
    description: With O(state=pulled), what V(pushed) answered. Left out, it is filled in from C(_kamal_pushed).
    type: str
  required:
    description:
      - With O(state=pushed) and O(state=pulled), whether it is an error that the registry cannot be used. Otherwise
        RV(reason) says why.
    type: bool
    default: true
  layers:
    description: With O(state=saved), the layers that are wanted. Left out, those that the hosts of the play lack.
    type: list
    elements: str
  saved:
    description: With O(state=loaded), what V(saved) answered. Left out, it is filled in from C(_kamal_saved).
    type: dict
  folder:
    description: Where layers arrive on the host, relative to the home.
    type: str
    default: .kamal/layers
  sent:
    description: With O(state=loaded), how many bytes were sent, for what is told. It is filled in on the controller.
    type: int
    default: 0
  send_until:
    description:
      - With O(state=loaded), until when layers are sent, in seconds since 1970 by the clock of the controller. It is
        for a run that has the deploy lock, which has to be renewed meanwhile. Each time it sends at least a piece.
        V(0) is no limit.
      - What is left is sent by the next delivery, and until then the image is not loaded, RV(unfinished).
    type: float
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.docker
attributes:
  diff_mode:
    support: none
    details: An image that is loaded has no earlier state to compare with; RV(actions) says what is done.
seealso:
  - module: caravan.kamal.image_build
"""

EXAMPLES = r"""
- name: Look which layers the image has
  caravan.kamal.image_delivery:
    state: listed
  run_once: true
  delegate_to: localhost
  register: _kamal_listed

- name: Look which of them this host lacks
  caravan.kamal.image_delivery:
    state: lacking
  register: _kamal_lacking

- name: Have it in the registry of the controller
  caravan.kamal.image_delivery:
    state: pushed
    required: false
  run_once: true
  delegate_to: localhost
  register: _kamal_pushed

- name: Pull it from there
  caravan.kamal.image_delivery:
    state: pulled
    required: false
  register: _kamal_pulled

- name: Save the layers that any host lacks
  caravan.kamal.image_delivery:
    state: saved
  run_once: true
  delegate_to: localhost
  register: _kamal_saved

- name: Send this host the layers that it lacks
  caravan.kamal.image_delivery:
    state: loaded
"""

RETURN = r"""
image_id:
  description:
    - The image's ID in the engine at hand.
    - Null where that has no such image, and in check mode with O(state=loaded) while it is still to come.
    - With O(state=pulled) null where it was not pulled.
  returned: with O(state=listed), O(state=pulled) and O(state=loaded)
  type: str
  sample: sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1
reference:
  description: The image, with its tag.
  returned: with O(state=listed)
  type: str
  sample: hello:3f2a9c1
created:
  description: When it was built.
  returned: with O(state=listed) where there is such an image
  type: str
  sample: "2026-01-01T00:00:00.25Z"
settings:
  description: A hash of what it says of its containers, such as variables and labels.
  returned: with O(state=listed) where there is such an image
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
layers:
  description: With V(listed) its layers from the lowest on, with V(lacking) those that this host lacks.
  returned: with O(state=listed) where there is such an image, and O(state=lacking)
  type: list
  elements: str
  sample: ["sha256:d5ba59dbfef15af955113707dec4733e4b6b7cb334608a1ca63decf7f3ea9db6"]
here:
  description: Whether the host has the image.
  returned: with O(state=lacking)
  type: bool
  sample: false
arrived:
  description: How many bytes of each file an earlier run has sent.
  returned: with O(state=lacking)
  type: dict
  sample: {}
free:
  description: How many bytes are free where files arrive.
  returned: with O(state=lacking)
  type: int
  sample: 30000000000
folder:
  description: Where files arrive, or with V(saved) where they lie.
  returned: with O(state=lacking) and O(state=saved)
  type: str
  sample: /home/ada/.kamal/apps/hello/layers
files:
  description: The saved layers, each with C(layer), the C(name) of its file (the hash of that) and its C(size).
  returned: with O(state=saved)
  type: list
  elements: dict
  sample: []
config:
  description: The configuration of the image as the engine keeps it.
  returned: with O(state=saved)
  type: str
  sample: '{"rootfs": {"diff_ids": []}}'
repository:
  description: Name of the image without its tag.
  returned: with O(state=loaded) and O(state=pulled)
  type: str
  sample: hello
tag:
  description: Its tag.
  returned: with O(state=loaded) and O(state=pulled)
  type: str
  sample: 3f2a9c1
digest:
  description:
    - With V(pushed) what the registry knows it by, null where it is not there.
    - Otherwise always null, as the image is known by its ID.
  returned: with O(state=pushed), O(state=pulled) and O(state=loaded)
  type: str
  sample: sha256:0b3d5a1a5cf9d2a0f2f0a3b4a4a6e1c5d0ad0d6c8e7f7e5c4c7fbb2d1f0e9a8b
reason:
  description: Why the registry was not used, where it was not O(required), else null.
  returned: with O(state=pushed) and O(state=pulled)
  type: str
  sample: null
pushed:
  description: Always false.
  returned: with O(state=pulled) and O(state=loaded)
  type: bool
  sample: false
sent:
  description: How many bytes were sent to this host, besides what it pulled.
  returned: with O(state=pulled) and O(state=loaded)
  type: int
  sample: 1200000
foretold:
  description: Whether it is by the registry that the host would get the image.
  returned: in check mode with O(state=pulled) and O(state=loaded) where the image is still to come
  type: bool
  sample: true
pending:
  description: That the image is still to be built, or to be fetched from the registry on the controller.
  returned: in check mode with O(state=listed) where it is so
  type: bool
  sample: true
unfinished:
  description: That there was no time to send all of it, so that nothing was loaded.
  returned: with O(send_until) where it was so
  type: bool
  sample: true
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["load hello:3f2a9c1: 3 of 12 layers, 1.2 MB sent"]
notices:
  description: What the operator should know although nothing was done about it.
  returned: always
  type: list
  elements: str
  sample: []
"""

from typing import Any, Callable, Dict, Optional

from ..module_utils import _references
from ..module_utils._data import from_data, to_data
from ..module_utils._delivery import departure, registry
from ..module_utils._delivery.arrival import Arrival
from ..module_utils._delivery.parts import Listed, Saved
from ..module_utils._errors import EngineError
from ..module_utils._host import files as _files
from ..module_utils._host import module as _module
from ..module_utils._host.engine import Image

OPTIONS: Dict[str, Any] = {
    "state": {"type": "str", "choices": ["listed", "lacking", "pushed", "pulled", "saved", "loaded"], "required": True},
    "reference": {"type": "str"},
    "image_id": {"type": "str"},
    "fetch": {"type": "bool", "default": False},
    "image": {"type": "dict"},
    "digest": {"type": "str"},
    "required": {"type": "bool", "default": True},
    "layers": {"type": "list", "elements": "str"},
    "saved": {"type": "dict"},
    "folder": {"type": "str", "default": ".kamal/layers"},
    "sent": {"type": "int", "default": 0},
    "send_until": {"type": "float"},
}
REQUIRED = [
    ("state", "listed", ["reference"]),
    ("state", "lacking", ["image"]),
    ("state", "pushed", ["image"]),
    ("state", "pulled", ["image", "digest"]),
    ("state", "saved", ["image", "layers"]),
    ("state", "loaded", ["image"]),
]
# An engine reads and writes whole images before it answers.
LONGEST_STEP = 3600
# How long a registry may be silent before layers are sent instead: an engine tells how far it is all the time.
LONGEST_SILENCE = 300


def listed(request: _module.Request) -> Dict[str, Any]:
    reference, engine = request.params["reference"], request.engine(LONGEST_SILENCE)
    image = departure.listed(engine, reference, request.params["image_id"])
    if image is None and request.params["fetch"]:
        image = registry.fetch(engine, request.changes, reference)
    return to_data(image) if image else {"reference": reference, "image_id": None}


def lacking(request: _module.Request) -> Dict[str, Any]:
    return _arrival(request).lacks()


def pushed(request: _module.Request) -> Dict[str, Any]:
    digest, reason = None, None
    try:
        digest = registry.push(request.engine(LONGEST_SILENCE), request.changes, _image(request))
    except EngineError as error:
        reason = _reason_unless_required(request, error)
    return {"digest": digest, "reason": reason}


def pulled(request: _module.Request) -> Dict[str, Any]:
    image, found, reason = _image(request), None, None
    try:
        found = registry.pull(request.engine(LONGEST_SILENCE), request.changes, image, request.params["digest"])
    except EngineError as error:
        reason = _reason_unless_required(request, error)
    return {**_had(image, found, 0), "reason": reason}


def saved(request: _module.Request) -> Dict[str, Any]:
    folder = departure.new_folder()
    engine, image = request.engine(LONGEST_STEP), _image(request)
    try:
        with _files.doing("keep layers in", folder):
            files = departure.save(engine, image, request.params["layers"], folder)
            departure.hand_over(folder)
    except BaseException:
        departure.remove(folder)
        raise
    return {**to_data(files), "folder": folder}


def loaded(request: _module.Request) -> Dict[str, Any]:
    given, sent, arrival = request.params["saved"], request.params["sent"], _arrival(request)
    found = arrival.load(from_data(Saved, given, "saved") if given else None, sent)
    return _had(arrival.image, found, sent)


def _had(image: Listed, found: Optional[Image], sent: int) -> Dict[str, Any]:
    """As a build would answer."""
    repository, tag = _references.split(image.reference)
    image_id = found.id if found else None
    return {"image_id": image_id, "repository": repository, "tag": tag, "digest": None, "pushed": False, "sent": sent}


def _reason_unless_required(request: _module.Request, error: EngineError) -> str:
    """Why the registry was not used; raised where it has to be."""
    if request.params["required"]:
        raise error
    return error.message


def _arrival(request: _module.Request) -> Arrival:
    return Arrival(request.engine(LONGEST_STEP), request.changes, _image(request), request.params["folder"])


def _image(request: _module.Request) -> Listed:
    return from_data(Listed, request.params["image"], "image")


STEPS: Dict[str, Callable[[_module.Request], Dict[str, Any]]] = {
    "listed": listed,
    "lacking": lacking,
    "pushed": pushed,
    "pulled": pulled,
    "saved": saved,
    "loaded": loaded,
}


def act(request: _module.Request) -> Dict[str, Any]:
    return STEPS[request.params["state"]](request)


def main() -> None:
    _module.run(OPTIONS, act, required_if=REQUIRED)


if __name__ == "__main__":
    main()
