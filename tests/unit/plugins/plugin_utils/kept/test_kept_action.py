# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person reads of a module that was ended before it answered."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.kept.action import told

UNREAD = {
    "failed": True,
    "msg": "Module result deserialization failed: No start of json char found",
    "module_stdout": "",
}


@pytest.mark.parametrize(
    ("result", "begins"),
    [
        (
            {**UNREAD, "rc": 137},
            "caravan.kamal.release on web1 was ended before it answered (by SIGKILL). Where memory ",
        ),
        ({**UNREAD, "rc": 143}, "caravan.kamal.release on web1 was ended before it answered (by SIGTERM). "),
        ({**UNREAD, "rc": 255}, "caravan.kamal.release on web1 was ended before it answered (by signal 127). "),
        ({**UNREAD, "rc": 1}, "caravan.kamal.release on web1 was ended before it answered (exit status 1). "),
        ({**UNREAD, "rc": 1, "module_stdout": "Welcome"}, "Module result deserialization failed"),
        ({"failed": True, "msg": "It exited."}, "It exited."),
        ({"msg": "Well"}, "Well"),
    ],
)
def test_a_module_that_was_ended(result: dict[str, Any], begins: str) -> None:
    assert told(result, "caravan.kamal.release", "web1")["msg"].startswith(begins)
