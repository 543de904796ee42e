# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is at work on this host: the SSH user, also where the task became root."""

from __future__ import annotations

import contextlib
import os
import pwd
from typing import Dict, Optional

from .._asked_by import ASKED_BY

# Below these a task begins; what lies between them and the module is the become method: sudo, su, doas, their shells.
BEGINNINGS = ("sshd", "ansible", "python")
SAID_BY = ("SUDO_USER", "DOAS_USER")
ROOT = 0


def home() -> str:
    """The SSH user's home."""
    user = _before_become()
    return user.pw_dir if user else os.path.expanduser("~")


def name() -> str:
    """The SSH user's name."""
    with contextlib.suppress(KeyError):
        return (_before_become() or pwd.getpwuid(os.geteuid())).pw_name
    return str(os.geteuid())


def cache() -> str:
    """The folder for what can be made anew, of the user that the task is at work as."""
    return os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")


def _before_become() -> Optional[pwd.struct_passwd]:
    """Who became root for this task, or None where nobody did."""
    if os.geteuid() != ROOT:
        return None
    with contextlib.suppress(KeyError):
        try:
            uid = _uid_above(_above())
        except (OSError, ValueError):
            return next((pwd.getpwnam(os.environ[key]) for key in SAID_BY if os.environ.get(key)), None)
        return pwd.getpwuid(uid) if uid != ROOT else None
    return None


def _above() -> int:
    """The process above this one, or above the one that asked the kept process for it."""
    asked_by = os.environ.get(ASKED_BY)
    return int(_status(int(asked_by))["PPid"]) if asked_by else os.getppid()


def _uid_above(pid: int) -> int:
    """The user of the first process above that is not root's, up to where the task begins; else root.

    The processes tell it for every become method, while an environment may be that of a session around Ansible.
    """
    while pid > 1:
        status = _status(pid)
        uid = int(status["Uid"].split()[0])
        if uid != ROOT or status["Name"].startswith(BEGINNINGS):
            return uid
        pid = int(status["PPid"])
    return ROOT


def _status(pid: int) -> Dict[str, str]:
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as lines:
        pairs = (line.partition(":") for line in lines)
        return {key: value.strip() for key, _colon, value in pairs}
