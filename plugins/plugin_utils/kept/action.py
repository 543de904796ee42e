# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An action whose module is run by the kept process of its host, and by Ansible where there is none."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from typing import Any, Dict, List, Mapping, Optional

from ansible.errors import AnsibleConnectionFailure
from ansible.executor import module_common
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ...module_utils._errors import CaravanError
from .. import terminal
from ..display import host_line
from ..progress import reader
from . import sources, way

# What `ask` prints where no module was begun.
NOT_BEGUN = '{"kept_not_begun": '
NO_PYTHON = (126, 127)
# What a shell adds to the number of the signal that ended a program.
SIGNALS = 128
PROFILE = "legacy"


class NotBegun(Exception):
    """Nothing was done on the host, and why."""


class KeptAction(ActionBase):
    # Seconds that the process stays after the module.
    stays = way.STAYS
    # Whether the module has the option `progress`, for what it is at.
    may_take_long = False
    # Of a host that was lost: what becomes of what the module had begun there, and what the same command does then.
    begun = ""
    again = ""
    _way: Optional[way.Way] = None
    _command = ""
    _content: Optional[bytes] = None

    def place(self, task_vars: Mapping[str, Any]) -> str:
        """The host that the task runs on, whichever host of the play it runs for."""
        return str(self._task.delegate_to or task_vars["inventory_hostname"])

    def tell(self, task_vars: Mapping[str, Any], text: str) -> None:
        """Before the module has answered."""
        host_line.tell(self.place(task_vars), text)

    def execute(self, module: str, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        """As _execute_module does it, but in less time. What takes long says what it is at."""
        is_heard = self.may_take_long and not self._task.check_mode and not arguments.get("progress")
        if not (is_heard and terminal.is_kept_open(self._connection)):
            return told(self._executed(module, arguments, task_vars), module, self.place(task_vars))
        host = str(task_vars["inventory_hostname"])

        def hear(events: List[reader.Event]) -> None:
            for event in events[-1:]:
                host_line.at(host, event["what"])

        with reader.heard_if_long(self, hear, self._kept_folder(task_vars)) as reading:
            with_progress = {**arguments, "progress": reading.path}
            return told(self._executed(module, with_progress, task_vars), module, self.place(task_vars))

    def lost(self, task_vars: Mapping[str, Any], error: Exception) -> Dict[str, Any]:
        """A lost host is a failure here: an unreachable one would pass by `rescue`, and the next batch would go on."""
        begun = "" if self._task.check_mode else self.begun
        message = (
            f"The connection to {self.place(task_vars)} was lost: {str(error).strip()}. {begun}"
            f"See that the host can be reached, then run the same command again{self.again}."
        )
        return {"failed": True, "msg": message}

    def _kept_folder(self, task_vars: Mapping[str, Any]) -> Optional[str]:
        """Of the process that runs the module, where that is one of the user who is connected."""
        is_there = way.to(self, task_vars) is not None and not self._connection.become
        return way.FOLDER if is_there else None

    def _executed(self, module: str, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        self._way, self._content = way.to(self, task_vars), None
        if self._way:
            try:
                return dict(self._execute_module(module, dict(arguments), task_vars=task_vars))
            except NotBegun as reason:
                why = str(reason)
            except AnsibleConnectionFailure:
                raise
            except Exception as error:
                # An Ansible that goes another way from the arguments to the host.
                if self._content is not None:
                    raise
                why = repr(error)
            Display().vv(f"The module is sent to {self.place(task_vars)}: {why}")
            self._way = None
        return dict(self._execute_module(module, arguments, task_vars=task_vars))

    def _configure_module(self, module_name: str, module_args: Any, task_vars: Any) -> Any:
        """Ansible asks here for the program that it hands to the host's Python: the arguments alone will do."""
        if self._way is None:
            return super()._configure_module(module_name, module_args, task_vars)
        self._command = self._way.asking(f"{sources.COLLECTION}.modules.{module_name.rpartition('.')[2]}", self.stays)
        content, shebang = _encoded({"ANSIBLE_MODULE_ARGS": module_args}), f"#!{self._way.python}"
        if hasattr(module_common, "_BuiltModule"):
            built = module_common._BuiltModule(
                b_module_data=content, module_style="new", shebang=shebang, serialization_profile=PROFILE
            )
            answer: Any = (built, module_name)
        else:
            answer = ("new", shebang, content, module_name)
        self._content = content
        return answer

    def _low_level_execute_command(
        self, cmd: str, sudoable: bool = True, in_data: Optional[bytes] = None, *more: Any, **options: Any
    ) -> Dict[str, Any]:
        """Where the host's Python would get the program, it gets what asks the kept process."""
        is_ours = in_data is not None and in_data is self._content
        if is_ours:
            cmd = f"{self._compute_environment_string()} {self._command}".strip()
        done = super()._low_level_execute_command(cmd, sudoable, in_data, *more, **options)
        reason = _why_not_begun(done) if is_ours else None
        if reason is not None:
            raise NotBegun(reason)
        return done

    def cleanup(self, force: bool = False) -> None:
        """What became of the module is told, also where its folder cannot be removed because the host is lost."""
        with suppress(AnsibleConnectionFailure):
            super().cleanup(force)


class AsAsked(KeptAction):
    """For modules that need nothing secret of the controller. `module` is the full name."""

    module = ""
    _supports_async = True

    def asked(self, arguments: Dict[str, Any], _task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        """`arguments` with what the task left out."""
        return arguments

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        variables = task_vars or {}
        result: Dict[str, Any] = super().run(tmp, variables)
        try:
            arguments = self.asked(dict(self._task.args), variables)
        except CaravanError as error:
            return {**result, **error.details, "failed": True, "msg": error.message}
        try:
            return {**result, **self._answer(arguments, variables)}
        except AnsibleConnectionFailure as error:
            return {**result, **self.lost(variables, error)}

    def _answer(self, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        if self._task.async_val:
            return dict(self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=True))
        return self.execute(self.module, arguments, task_vars)


def told(result: Dict[str, Any], module: str, host: str) -> Dict[str, Any]:
    """With a sentence where a module was ended before it answered: Ansible says that it could not read the answer."""
    if not result.get("failed") or str(result.get("module_stdout", "told")).strip():
        return result
    status = int(result.get("rc") or 0)
    killed = f"by {_signal_name(status)}" if status > SIGNALS else f"exit status {status}"
    message = (
        f"{module} on {host} was ended before it answered ({killed}). Where memory is short the kernel does that: "
        "dmesg on the host tells. How far it came is not known here; the same run again finds out and goes on."
    )
    return {**result, "msg": message}


def _signal_name(status: int) -> str:
    try:
        return signal.Signals(status - SIGNALS).name
    except ValueError:
        return f"signal {status - SIGNALS}"


def _encoded(arguments: Mapping[str, Any]) -> bytes:
    """In the words of this Ansible: from 2.19 on they have a profile."""
    try:
        from ansible.module_utils.common.json import Direction, get_module_encoder
    except ImportError:
        from ansible.module_utils.common.json import AnsibleJSONEncoder

        return json.dumps(arguments, cls=AnsibleJSONEncoder, vault_to_text=True).encode()
    return json.dumps(arguments, cls=get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE)).encode()


def _why_not_begun(done: Mapping[str, Any]) -> Optional[str]:
    """A host may print a line of its own before any answer, as Ansible allows."""
    output = str(done["stdout"]).strip()
    for line in output.splitlines():
        if line.startswith(NOT_BEGUN):
            return str(json.loads(line)[NOT_BEGUN.split('"')[1]])
    return str(done["stderr"]).strip() if done["rc"] in NO_PYTHON and not output else None
