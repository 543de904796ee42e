# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work for the next task that is done while this one waits for a host."""

from __future__ import annotations

import contextlib
import contextvars
import threading


@contextlib.contextmanager
def prepared(action, module, task_vars):
    """Meanwhile `module` is made into what Ansible sends to hosts, a fifth of a second of work that it then finds done.

    Nothing depends on it: what goes wrong here, the module's own task meets again and tells.
    """
    thread = threading.Thread(target=contextvars.copy_context().run, args=(_prepare, action, module, task_vars))
    if module:
        thread.start()
    try:
        yield
    finally:
        if module:
            thread.join()


def _prepare(action, module, task_vars):
    with contextlib.suppress(Exception):
        action._configure_module(module, {}, task_vars)
