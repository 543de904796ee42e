# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs one module in this process, with the arguments that Ansible has made for it."""

from __future__ import annotations

import atexit
import os
import sys
import traceback
from importlib import import_module
from typing import NoReturn


def run(module: str, arguments: bytes) -> None:
    """Ends with SystemExit, as modules do."""
    basic = import_module("ansible.module_utils.basic")
    sys.argv = [module]
    setattr(basic, "_ANSIBLE_ARGS", arguments)  # noqa: B010
    setattr(basic, "_ANSIBLE_PROFILE", "legacy")  # noqa: B010
    import_module(module).main()


def run_and_end(module: str, arguments: bytes) -> NoReturn:
    """Ends the process as Python does at the end of a program, but does not take apart what it has in memory."""
    status = 1
    try:
        run(module, arguments)
    except SystemExit as end:
        status = end.code & 0xFF if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
