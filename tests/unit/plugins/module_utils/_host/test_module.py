# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The frame of every module: one message whatever goes wrong, and no claim that something was done which was not."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import CaravanError, HealthError
from ansible_collections.caravan.kamal.plugins.module_utils._host import module as _module
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from modules import perform


def fail(error: Exception) -> Callable[[Any], Any]:
    def act(request: _module.Request) -> Any:
        request.changes.do("do one thing", lambda: None)

        def other() -> None:
            raise error

        request.changes.do("do another", other)

    return act


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (HealthError("it is not well", container="c"), "it is not well"),
        (OSError(28, "No space left on device", "/x"), "Could not work with /x: No space left on device. Make room"),
        (ConnectionResetError(104, "Connection reset by peer"), "Could not work with this host: Connection reset"),
        (IndexError("tuple index out of range"), "This is a mistake in caravan.kamal: IndexError: tuple index"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "This is a mistake in caravan.kamal"),
    ],
)
def test_a_failure_is_one_message_and_what_was_done_before_it(error: Exception, message: str) -> None:
    result = perform(lambda: _module.run({}, fail(error)), {})
    assert result["failed"] and result["msg"].startswith(message)
    assert (result["actions"], result["changed"]) == (["do one thing"], True)
    assert "Traceback" not in result["msg"]


def test_secrets_reach_no_message() -> None:
    error = CaravanError("the word is hunter2!", log=["hunter2!"])
    options = {"secrets": {"type": "str", "no_log": True}}
    result = perform(lambda: _module.run(options, fail(error)), {"secrets": '{"A": "hunter2!"}'})
    assert "hunter2" not in str({key: value for key, value in result.items() if key != "invocation"})


def test_the_registrys_password_reaches_no_message_but_its_user_may() -> None:
    error = CaravanError("ada may not: hunter2!", log=["hunter2!"])
    options = {"registry": {"type": "str", "no_log": True}}
    login = '{"username": "ada", "password": "hunter2!"}'
    result = perform(lambda: _module.run(options, fail(error)), {"registry": login})
    assert "hunter2" not in str(result)
    assert "ada may not" in result["msg"]


def test_what_failed_was_not_done_and_in_check_mode_nothing_is_tried() -> None:
    changes = Changes(check_mode=False)

    def outer() -> None:
        changes.do("inner", lambda: None)
        raise ValueError

    with pytest.raises(ValueError):
        changes.do("outer", outer)
    assert changes.actions == ["inner"]
    foretold = Changes(check_mode=True)
    foretold.do("outer", outer)
    assert foretold.actions == ["outer"]
