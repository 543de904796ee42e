# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab itself: after a reset a story finds nothing of another one."""

from __future__ import annotations

import lab
from hosts import Host


def test_a_reset_leaves_the_images_of_the_lab_under_their_own_names_only(web1: Host) -> None:
    kept = lab.inventory()["kept_images"]
    web1.sh(f"docker tag {kept[-1]} registry:4443/stories/hello:v1")
    web1.sh(f"docker run -d --name another {kept[-1]} sleep 600")
    lab.reset()
    assert sorted(web1.sh("docker images --format '{{.Repository}}:{{.Tag}}'").split()) == sorted(kept)
    assert web1.sh("docker ps -aq") == ""
    assert not web1.file(".kamal").exists
