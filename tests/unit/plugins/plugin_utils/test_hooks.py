# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hooks on the controller: what they get, what is told of them, and pre-init, which runs once."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import HookError
from ansible_collections.caravan.kamal.plugins.plugin_utils import hooks
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks.memory import Memory


def hook(root: Path, text: str, name: str = "pre-init", mode: int = 0o755) -> str:
    path = root / ".kamal" / "hooks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("INHERITED", "yes")
    return []


def test_it_runs_in_the_project_with_its_variables_and_ours(tmp_path: Path, told: list[str]) -> None:
    script = hook(tmp_path, "#!/bin/sh\npwd\necho $INHERITED $KAMAL_COMMAND\necho problem >&2\n")
    hooks.run(script, str(tmp_path), {"KAMAL_COMMAND": "deploy"}, 60, told.append)
    assert told == [str(tmp_path), "yes deploy", "problem"]


@pytest.mark.parametrize(
    ("text", "mode", "seconds", "message"),
    [
        ("#!/bin/sh\necho no\nexit 3\n", 0o755, 60, r"pre-init ended with exit code 3\. Nothing .* It said:\nno$"),
        ("#!/bin/sh\nexit 1\n", 0o755, 60, r"ended with exit code 1\. Nothing was touched yet\. It said nothing\.$"),
        (
            "#!/bin/sh\necho a\nsleep 600\n",
            0o755,
            0.5,
            r"0\.5 seconds \(kamal_hooks_timeout\) .*\. Nothing .* said:\na$",
        ),
        ("#!/bin/sh\n", 0o644, 60, r"pre-init cannot be started: Permission denied\. Make it executable \(chmod"),
        ("#!/no/program\n", 0o755, 60, r"cannot be started: No such file.*#!, names a program"),
    ],
    ids=["a code", "in silence", "too slow", "not executable", "no such program"],
)
def test_what_fails_is_told(
    tmp_path: Path, told: list[str], text: str, mode: int, seconds: float, message: str
) -> None:
    script = hook(tmp_path, text, mode=mode)
    with pytest.raises(HookError, match=message):
        hooks.run(script, str(tmp_path), {}, seconds, told.append, hooks.NOTHING_YET)


def test_an_environment_that_is_too_large_is_told(tmp_path: Path, told: list[str]) -> None:
    script = hook(tmp_path, "#!/bin/sh\n")
    with pytest.raises(HookError, match=r"cannot be started: Argument list too long\. .* list secrets in kamal_hooks"):
        hooks.run(script, str(tmp_path), {"LARGE": "x" * 10_000_000}, 60, told.append)


def test_only_the_end_of_long_words_is_repeated(tmp_path: Path, told: list[str]) -> None:
    script = hook(tmp_path, "#!/bin/sh\nseq 100\nexit 1\n")
    with pytest.raises(HookError) as caught:
        hooks.run(script, str(tmp_path), {}, 60, told.append)
    assert told == [str(number) for number in range(1, 101)]
    assert caught.value.message.splitlines()[1:] == told[-hooks.REPEATED :]


@pytest.mark.parametrize(("name", "found"), [("pre-init", True), ("pre-init.sample", False), ("post-init", False)])
def test_a_hook_is_a_file_of_its_name(tmp_path: Path, name: str, found: bool) -> None:
    hook(tmp_path, "", name)
    assert (hooks.find(str(tmp_path), ".kamal/hooks", "pre-init") is not None) is found


SHOW = "#!/bin/sh\nenv | grep ^KAMAL_ || echo none\necho >> ran\n"


@pytest.mark.parametrize(("destination", "said"), [(None, "none"), ("staging", "KAMAL_DESTINATION=staging")])
def test_pre_init_gets_the_destination_alone(
    tmp_path: Path, told: list[str], destination: str | None, said: str
) -> None:
    hook(tmp_path, SHOW)
    hooks.pre_init(str(tmp_path), destination, 60, told.append, Memory())
    assert told == ["Running .kamal/hooks/pre-init", said]


def test_pre_init_runs_once_in_a_run_and_again_in_the_next(tmp_path: Path, told: list[str]) -> None:
    hook(tmp_path, SHOW)
    run = Memory()
    hooks.pre_init(str(tmp_path), None, 60, told.append, run)
    hooks.pre_init(str(tmp_path), None, 60, told.append, run)
    assert (tmp_path / "ran").read_text() == "\n"
    hooks.pre_init(str(tmp_path), None, 60, told.append, Memory())
    assert (tmp_path / "ran").read_text() == "\n\n"


def test_a_project_without_pre_init_is_told_nothing(tmp_path: Path, told: list[str]) -> None:
    hooks.pre_init(str(tmp_path), None, 60, told.append, Memory())
    assert told == []


def test_secrets_are_masked_in_what_it_says_and_in_the_failure(tmp_path: Path, told: list[str]) -> None:
    script = hook(tmp_path, '#!/bin/sh\necho "is $TOKEN"; printf "%s\\n" "$KEY"; exit 1')
    values = {"TOKEN": "s3cr3t", "KEY": "first line\nsecond line"}
    with pytest.raises(HookError) as caught:
        hooks.run(script, str(tmp_path), values, 60, told.append, secrets=values)
    assert told == ["is ********", "********", "********"]
    assert not [word for word in ("s3cr3t", "first", "second") if word in caught.value.message]


def test_a_hook_of_a_run_that_a_hook_started_is_not_told_of_the_outer_one(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAMAL_DESTINATION", "outer")
    monkeypatch.setenv("KAMAL_REGISTRY_PASSWORD", "kept")
    script = hook(tmp_path, "#!/bin/sh\necho ${KAMAL_DESTINATION-none} $KAMAL_REGISTRY_PASSWORD")
    hooks.run(script, str(tmp_path), {}, 60, told.append)
    assert told == ["none kept"]


def test_a_script_whose_first_line_names_no_program(tmp_path: Path, told: list[str]) -> None:
    hooks.run(hook(tmp_path, "echo it runs"), str(tmp_path), {}, 60, told.append)
    assert told == ["it runs"]


def test_the_signal_that_ended_it_is_named(tmp_path: Path, told: list[str]) -> None:
    with pytest.raises(HookError, match="was ended by SIGKILL"):
        hooks.run(hook(tmp_path, "#!/bin/sh\nkill -9 $$"), str(tmp_path), {}, 60, told.append)
