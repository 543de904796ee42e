#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: The image of a version, built and pushed
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Builds an image from the project's checkout, tags it with the version and as the latest one, and pushes both tags.
  - Nothing changes when the image of this version exists already, was made from the same (commit, context, Dockerfile,
    stage, build arguments, platform) and, with O(push=true), is in the registry as the version and as the latest one.
  - What no commit holds, such as changes in O(context) or a folder outside of git, is built each time; Docker's cache
    makes that cheap where nothing differs.
  - Without O(context) the image is built from a clean clone of the commit, so that it holds what was committed only.
  - Builds with C(docker buildx) where the docker command of this host has it, else with the engine's own builder.
  - Builders of buildx have Kamal's names and are created where they are missing. Such a builder pushes the image itself
    and leaves none in the engine of this host; the engine's own builder leaves it there, and the engine pushes it.
  - The login of O(registry) is also used for base images in that registry.
  - A build ends with the run that asked for it, however that ends, on another host too.
options:
  service:
    description: The service that the image belongs to. It becomes the image's label C(service), by which hosts know it.
    type: str
    required: true
  repository:
    description: Name of the image without a tag, with the registry's server in front unless that is Docker Hub.
    type: str
    required: true
  version:
    description:
      - The version, which becomes the tag.
      - If it is the ID of a commit, whole or its first seven digits or more, that commit is built; otherwise the one
        that is checked out.
      - With O(context) the files are built as they are, and a version that names another commit is an error.
    type: str
    required: true
  latest:
    description: The tag that follows the newest build.
    type: str
    default: latest
  project_root:
    description: Folder of the project on this host, where the configuration's relative paths start.
    type: path
    required: true
  context:
    description:
      - Folder to build from, relative to O(project_root), with the files as they are.
      - Left out, a clean clone is built, or O(project_root) itself where that is not a git checkout.
    type: str
  dockerfile:
    description: The Dockerfile, relative to O(project_root).
    type: str
    default: Dockerfile
  target:
    description: The stage of the Dockerfile to build.
    type: str
  args:
    description:
      - Build arguments. Docker writes them into the image's history, so they are no place for secrets.
      - One that is null has the value of the build's environment, if it has one there.
    type: dict
    default: {}
  secrets:
    description:
      - Secrets that the Dockerfile may mount, C(RUN --mount=type=secret,id=NAME), as a JSON object of names and values.
      - They are in no argument, no layer, no output and not in the image's history. Needs buildx, or a docker command
        before 23.0, whose own BuildKit does it.
      - By default filled in on the controller from the plan, the variable C(kamal_secrets) and the project's secrets
        files.
    type: str
  ssh:
    description:
      - The SSH agent or the keys that the Dockerfile may use, C(RUN --mount=type=ssh), as C(docker buildx build --ssh)
        takes them. Variables such as C($SSH_AUTH_SOCK) are those of the host that builds.
    type: str
  arch:
    description:
      - The architectures to build for, V(amd64) or V(arm64). Left out, that of the engine.
      - An image for several of them goes from the builder to the registry, so that needs O(push=true).
    type: list
    elements: str
    default: []
  driver:
    description:
      - The driver of buildx, V(docker-container), V(docker) for the engine's own builder, or V(cloud ORG/NAME).
      - Left out, it is V(docker) where that will do, and V(docker-container) for several architectures, a cache or an
        attestation.
    type: str
  remote:
    description: Address of another engine, C(ssh://user@host), that builds for architectures this host's does not have.
    type: str
  local:
    description: Whether the engine of this host builds as well, for its own architecture. V(false) needs O(remote).
    type: bool
    default: true
  cache_from:
    description: Where layers are read from, as C(docker buildx build --cache-from) takes it.
    type: str
  cache_to:
    description: Where layers are written to, as C(docker buildx build --cache-to) takes it.
    type: str
  provenance:
    description: The provenance attestation, V(true), V(false) or options for it.
    type: str
  sbom:
    description: The SBOM attestation, V(true), V(false) or options for it.
    type: str
  pack:
    description: Build with Cloud Native Buildpacks, by the command C(pack), instead of a Dockerfile.
    type: dict
    suboptions:
      builder:
        description: The builder image.
        type: str
        required: true
      buildpacks:
        description: The buildpacks; left out, the builder's choice.
        type: list
        elements: str
  push:
    description: Whether the image is pushed to the registry.
    type: bool
    default: true
  latest_here:
    description: Whether the image gets O(latest) as a tag in the engine of this host too.
    type: bool
    default: false
  registry:
    description: Where and as whom to log in. It goes into the API call and is not stored.
    type: dict
    suboptions:
      server:
        description: The registry's server. Left out, Docker Hub.
        type: str
      username:
        description: The account.
        type: str
      password:
        description: Its password or token.
        type: str
  force:
    description: Build and push even if the image exists.
    type: bool
    default: false
  no_cache:
    description: Build every step anew, without the results of earlier builds.
    type: bool
    default: false
  clone_dir:
    description:
      - Folder that keeps the clone for next time. It is made readable for its owner only.
      - Left out, it is in C($XDG_CACHE_HOME) or C(~/.cache), below C(caravan/clones), one for each project folder.
      - One build at a time uses it; another one waits for that, for an hour at most.
    type: path
  received:
    description:
      - A commit that was sent to this host, to be built from a clone that is kept here; O(project_root) need not exist.
      - The action on the controller fills it in where another host builds the commit of a checkout.
    type: dict
    suboptions:
      commit:
        description: Its ID.
        type: str
        required: true
      below:
        description: What leads from the top of the checkout to the project.
        type: str
        default: ""
      objects:
        description: A file with the git objects that this host lacked, as C(git pack-objects --thin) makes it.
        type: path
      shallow:
        description: Commits whose parents are not known, where the checkout is a shallow one.
        type: list
        elements: str
        default: []
  progress:
    description: A file that is told how far the build is, a JSON object in each line. A rollout shows them.
    type: path
  wait:
    description:
      - With V(false) the task begins to build and does not wait. The same task with V(true), later in the run, waits
        for that build and answers for it.
      - In check mode nothing is begun.
    type: bool
    default: true
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.docker
attributes:
  diff_mode:
    support: none
    details: An image that is built has no earlier state to compare with; RV(actions) says what is done.
notes:
  - A module cannot show progress while it runs. When a build fails, the end of its output is in the message.
seealso:
  - module: caravan.kamal.release
"""

EXAMPLES = r"""
- name: Build and push the image of the commit that is checked out
  caravan.kamal.image_build:
    service: hello
    repository: registry.example.com/team/hello
    version: 3f2a9c1be60ed9a4ae93d2ed9aee0a3b3a1ec2d4
    project_root: /home/ada/hello
    registry:
      server: registry.example.com
      username: ada
      password: "{{ registry_password }}"
  delegate_to: localhost

- name: Build for the engine of this host alone, from the files as they are
  caravan.kamal.image_build:
    service: hello
    repository: hello
    version: try
    project_root: /home/ada/hello
    context: .
    push: false
"""

RETURN = r"""
repository:
  description: Name of the image without a tag.
  returned: success
  type: str
  sample: registry.example.com/team/hello
tag:
  description: Its tag, the version.
  returned: success
  type: str
  sample: 3f2a9c1be60ed9a4ae93d2ed9aee0a3b3a1ec2d4
image_id:
  description:
    - The image's ID in the engine that built it.
    - Null where the builder pushed it, and in check mode when it would be built.
  returned: success
  type: str
  sample: sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1
digest:
  description: What the registry knows the image by; null when it was not pushed.
  returned: success
  type: str
  sample: sha256:0b3d5a1a5cf9d2a0f2f0a3b4a4a6e1c5d0ad0d6c8e7f7e5c4c7fbb2d1f0e9a8b
pushed:
  description: Whether the registry has it, or would have it after the run.
  returned: success
  type: bool
  sample: true
engine_id:
  description: Which engine has the image. A host with the same one needs no registry.
  returned: success
  type: str
  sample: 7TRN:IPZB:QYBB:VPBQ:UMPP:KARE:6ZNR:XE6T:7EWV:PKF4:ZOJD:TPYS
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["build hello:try"]
notices:
  description: What the operator should know, such as changes without a commit.
  returned: always
  type: list
  elements: str
  sample: ["Changes without a commit are left out of the image: it is built from a clone"]
output:
  description: The end of the build's output.
  returned: when the build failed
  type: list
  elements: str
  sample: ["Step 3/4 : RUN make", "make: *** No targets specified and no makefile found.  Stop."]
lacks:
  description: That the clone on this host is not whole, and all of the commit has to be sent.
  returned: when it is so
  type: bool
  sample: true
step:
  description: The step of the Dockerfile that failed; null where the build ended outside of any.
  returned: when the build failed
  type: str
  sample: RUN make
"""

from typing import Any, Dict

from ..module_utils._build import hangup
from ..module_utils._build.build import Build
from ..module_utils._build.received import Received
from ..module_utils._build.wanted import Wanted
from ..module_utils._host import module as _module
from ..module_utils._progress import Progress

OPTIONS: Dict[str, Any] = {
    "service": {"type": "str", "required": True},
    "repository": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "latest": {"type": "str", "default": "latest"},
    "project_root": {"type": "path", "required": True},
    "context": {"type": "str"},
    "dockerfile": {"type": "str", "default": "Dockerfile"},
    "target": {"type": "str"},
    "args": {"type": "dict", "default": {}},
    "secrets": {"type": "str", "no_log": True},
    "ssh": {"type": "str"},
    "arch": {"type": "list", "elements": "str", "default": []},
    "driver": {"type": "str"},
    "remote": {"type": "str"},
    "local": {"type": "bool", "default": True},
    "cache_from": {"type": "str"},
    "cache_to": {"type": "str"},
    "provenance": {"type": "str"},
    "sbom": {"type": "str"},
    "pack": {
        "type": "dict",
        "options": {
            "builder": {"type": "str", "required": True},
            "buildpacks": {"type": "list", "elements": "str"},
        },
    },
    "push": {"type": "bool", "default": True},
    "latest_here": {"type": "bool", "default": False},
    "registry": {
        "type": "dict",
        "options": {
            "server": {"type": "str"},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
        },
    },
    "force": {"type": "bool", "default": False},
    "no_cache": {"type": "bool", "default": False},
    "clone_dir": {"type": "path"},
    "received": {
        "type": "dict",
        "options": {
            "commit": {"type": "str", "required": True},
            "below": {"type": "str", "default": ""},
            "objects": {"type": "path"},
            "shallow": {"type": "list", "elements": "str", "default": []},
        },
    },
    "progress": {"type": "path"},
    "wait": {"type": "bool", "default": True},
}
LONGEST_STEP = 3600


def act(request: _module.Request) -> Dict[str, Any]:
    given = {name: request.params[name] for name in OPTIONS if name not in ("progress", "wait")}
    wanted = Wanted(**{**given, "secrets": request.secrets, "received": Received.of(given["received"])})
    engine, progress = request.engine(timeout=LONGEST_STEP), Progress(request.params["progress"], request.hidden)
    with hangup.noticed():
        return Build(engine, request.changes, wanted, request.params["docker_host"], progress).ensure()


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
