# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tool that hangs, breaks or says something else."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import SecretError
from ansible_collections.caravan.kamal.plugins.plugin_utils.secrets.tool import Surroundings, Tool
from vendors import Vendors


def tool(tmp_path: Path, answer: object, seconds: float = 60, **environ: str) -> Tool:
    vendors = Vendors.of(tmp_path, {"op read": answer})
    around = Surroundings({"PATH": str(vendors.bin), **environ}, str(tmp_path), seconds)
    return Tool("1password", "op", "Install it.", "Sign in.", around)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"err": "[ERROR] no\n  such item.\n", "rc": 1}, "1password: cannot read: [ERROR] no such item. Sign in."),
        ({"rc": 1}, "1password: cannot read. Sign in."),
        ({"err": "x" * 600, "rc": 1}, f"1password: cannot read: {'x' * 500}. Sign in."),
        ("no json", "1password: op read printed something else than JSON. Look at its version. Install it."),
        (
            {"do": r"printf '\377'"},
            "1password: op read printed bytes that are no UTF-8 text. A secret here has to be text.",
        ),
    ],
    ids=["complaint", "silence", "a long complaint", "no JSON", "no UTF-8"],
)
def test_what_goes_wrong_is_told(tmp_path: Path, answer: object, message: str) -> None:
    with pytest.raises(SecretError) as raised:
        tool(tmp_path, answer).ask_json("cannot read", "read")
    assert raised.value.message == message


def test_a_complaint_shows_nothing_that_the_environment_keeps_secret(tmp_path: Path) -> None:
    environ = {"OP_SESSION_X": "abcd", "BWS_ACCESS_TOKEN": "abcdefgh", "MASTERPW": "pw", "HOME": "home"}
    with pytest.raises(SecretError) as raised:
        tool(tmp_path, {"err": "abcdefgh abcd pw home", "rc": 1}, **environ).ask("no", "read")
    assert raised.value.message == "1password: no: [REDACTED] [REDACTED] pw home. Sign in."


def test_a_tool_that_waits_for_somebody_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    hanging = tool(tmp_path, {"do": f"/bin/sleep 600 & echo $! > {tmp_path}/child; wait"}, seconds=1)
    begun = time.monotonic()
    with pytest.raises(SecretError, match=r"op read did not answer within 1 seconds\. It may be waiting.* Sign in\."):
        hanging.ask("no", "read")
    assert time.monotonic() - begun < 60
    child = Path("/proc") / (tmp_path / "child").read_text().strip()
    while child.exists() and "State:\tZ" not in (child / "status").read_text():
        assert time.monotonic() - begun < 60
        time.sleep(0.05)


def test_there_is_nothing_to_read_for_a_tool(tmp_path: Path) -> None:
    assert tool(tmp_path, {"do": "read line; echo ${line:-nothing}"}).ask("no", "read") == "nothing\n"


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    broken = tool(tmp_path, "")
    (tmp_path / "vendors" / "op").write_text("#!/none/such\n")
    with pytest.raises(SecretError, match=r"op cannot be started: .*Install it\."):
        broken.ask("no", "read")
