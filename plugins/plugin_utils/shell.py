# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command on a host over its connection as it is: no module, no become, a tenth of the time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..module_utils._errors import LockError


def run(action: ActionBase, script: str, failure: str, remedy: str) -> str:
    """What the script prints."""
    with visit(failure, remedy):
        done = action._low_level_execute_command(script, sudoable=False, executable="/bin/sh")
    return str(done["stdout"] if done["rc"] == 0 else done["stdout"] + done["stderr"])


@contextmanager
def visit(failure: str, remedy: str) -> Iterator[None]:
    """A lost connection is an error that `rescue` sees; unreachable would pass by it."""
    try:
        yield
    except AnsibleConnectionFailure as error:
        raise LockError(f"{failure}: {str(error).strip().rstrip('.')}. {remedy}") from error
