from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

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
        self,
        cmd: str,
        sudoable: bool = True,
        in_data: Optional[bytes] = None,
        executable: Optional[str] = None,
        **options: Any,
    ) -> Dict[str, Any]: ...
    def _make_tmp_path(self, remote_user: Optional[str] = None) -> str: ...
    def _transfer_file(self, local_path: str, remote_path: str) -> str: ...
    def _fixup_perms2(
        self, remote_paths: Sequence[str], remote_user: Optional[str] = None, execute: bool = True
    ) -> Sequence[str]: ...
    def _compute_environment_string(self) -> str: ...
    def cleanup(self, force: bool = ...) -> None: ...
    def _execute_module(
        self,
        module_name: Optional[str] = None,
        module_args: Optional[Mapping[str, Any]] = None,
        tmp: Optional[str] = None,
        task_vars: Optional[Mapping[str, Any]] = None,
        persist_files: bool = False,
        delete_remote_tmp: Optional[bool] = None,
        wrap_async: bool = False,
    ) -> Dict[str, Any]: ...
    def _configure_module(self, module_name: str, module_args: Any, task_vars: Any) -> Any: ...
    def _is_pipelining_enabled(self, module_style: str) -> bool: ...
