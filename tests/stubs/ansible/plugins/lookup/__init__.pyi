from typing import Any, Mapping, Optional

class LookupBase:
    _loader: Any
    _templar: Any
    def set_options(
        self, var_options: Optional[Mapping[str, Any]] = None, direct: Optional[Mapping[str, Any]] = None
    ) -> None: ...
    def get_option(self, option: str) -> Any: ...
