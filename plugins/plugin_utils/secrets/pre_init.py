# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the project wants done before its configuration and its secrets are read, such as logging in to a store."""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping

from .. import hooks
from ..config import source
from ..config.load import boolean


def begin(task_vars: Mapping[str, Any], value: Callable[[str], Any], tell: Callable[[str], None]) -> None:
    """Run the hook pre-init, unless hooks are passed over; `value` gives a variable's value."""
    if boolean("kamal_skip_hooks", value("kamal_skip_hooks")):
        return
    root, destination = source.place(task_vars, value, os.getcwd())
    hooks.pre_init(root, destination, float(value("kamal_hooks_timeout") or hooks.SECONDS), tell)
