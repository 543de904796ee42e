# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a module reaches the Docker engine of its host."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - Where the Docker engine of the host listens.
      - Without this option the environment variable E(DOCKER_HOST) counts, where it is set on the host.
    type: str
    default: unix:///var/run/docker.sock
  timeout:
    description:
      - How many seconds one call to the engine may take.
      - A call that is known to take longer, such as stopping a container, gets the time that it needs.
    type: int
    default: 60
requirements:
  - "Python 3.8 or later on the host"
  - "Docker SDK for Python on the host (the package C(python3-docker) on Debian and Ubuntu)"
"""
