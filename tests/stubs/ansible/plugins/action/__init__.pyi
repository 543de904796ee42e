from typing import Any, Dict, Mapping, Optional, Tuple

class ActionBase:
    _task: Any
    _connection: Any
    _play_context: Any
    _loader: Any
    _templar: Any
    _supports_check_mode: bool
    _supports_async: bool
    _supports_diff: bool
    def run(self, tmp: Optional[str] = None, task_vars: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]: ...
    def validate_argument_spec(self, argument_spec: Mapping[str, Any]) -> Tuple[Any, Dict[str, Any]]: ...
    def _low_level_execute_command(
        self, cmd: str, sudoable: bool = True, in_data: Optional[bytes] = None, executable: Optional[str] = None
    ) -> Dict[str, Any]: ...
    def _execute_module(
        self,
        module_name: Optional[str] = None,
        module_args: Optional[Mapping[str, Any]] = None,
        tmp: Optional[str] = None,
        task_vars: Optional[Mapping[str, Any]] = None,
    ) -> Dict[str, Any]: ...
