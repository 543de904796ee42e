# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lets a plain clone be imported under its collection name."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

pytest_plugins = ["builds", "docker_command", "host"]

ROOT = Path(__file__).resolve().parents[2]
TREE = ROOT / ".cache" / "import"

# No clock, since a busy machine is no defect, and no folder of failures: the blob that is printed repeats one.
settings.register_profile(
    "caravan", deadline=None, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("caravan")


def _link_collection() -> None:
    link = TREE / "ansible_collections" / "caravan" / "kamal"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(ROOT, target_is_directory=True)
    sys.path.insert(0, str(TREE))


_link_collection()
