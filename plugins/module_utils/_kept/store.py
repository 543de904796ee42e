# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps the compiled code on this host for the runs that come."""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import time

from . import place
from .finder import Code, all_compiled

# Seconds after which code that no run has used is removed.
FORGOTTEN = 7 * 86400


def keep(sources: Code, name: str) -> Code:
    """What was sent, compiled. Where it cannot be stored, the next run sends it again."""
    code = all_compiled(sources)
    content = marshal.dumps(code)
    file_name = place.code_file(name)
    beside = f"{file_name}.{os.getpid()}"
    try:
        with open(beside, "xb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        os.replace(beside, file_name)
        forget()
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside)
    return code


def forget() -> None:
    """Removes the code of other versions that nobody has used for long. Each use marks it: hosts may not note reads."""
    for name in os.listdir("."):
        if not name.endswith(".socket") and time.time() - os.stat(name).st_mtime > FORGOTTEN:
            os.unlink(name)
