# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host keeps of a role that went live: its secrets, lines in the audit log and, as the last, the history."""

from __future__ import annotations

import threading
from typing import Optional

from .._host import files
from .._host.engine import Image
from .._shares import RoleShare
from . import history
from .context import Context
from .env_file import render_file

# Roles that go live side by side write into the same files.
_TURN = threading.Lock()


def live(context: Context, role: RoleShare, container: str, image: Optional[Image], replaced: Optional[str]) -> None:
    """`replaced` is the name that the container before it got, if it had the same one.

    The line in the history is what counts. Whatever fails before it, the next run writes all of it.
    """
    share, text = context.share, render_file(context.values(role))
    with _TURN:
        for path in role.written_files:
            if files.read(path) != text or files.mode(path) != files.PRIVATE_FILE:
                files.write(path, text)
        if replaced:
            context.audit(role.name, f"Renaming container {role.container} to {replaced}")
        context.audit(role.name, f"Booted app version {share.version}")
        image_id = image.id if image else ""
        line = history.entry(share.command, share.version, role.name, container, image_id, share.performer)
        files.append(share.history_file, line)
