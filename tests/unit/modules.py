# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a module as Ansible does, in this process: arguments in, the result that it prints out."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any, Callable, Mapping

from ansible.module_utils import basic

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core before 2.17 reads them from here

    @contextlib.contextmanager
    def patch_module_args(args: Mapping[str, Any]) -> Any:
        before, basic._ANSIBLE_ARGS = basic._ANSIBLE_ARGS, json.dumps({"ANSIBLE_MODULE_ARGS": dict(args)}).encode()
        try:
            yield
        finally:
            basic._ANSIBLE_ARGS = before


def perform(main: Callable[[], None], arguments: Mapping[str, Any], check: bool = False) -> dict[str, Any]:
    """The result of a module. Raises whatever the module lets through, except its exit."""
    printed = io.StringIO()
    args = {**arguments, "_ansible_check_mode": check}
    with patch_module_args(args), contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main()
    result: dict[str, Any] = json.loads(printed.getvalue().strip().splitlines()[-1])
    return result
