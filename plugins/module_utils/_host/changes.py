# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look, compare, act: the one place that decides check mode, diff and `changed`."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, TypeVar

from .._progress import Tell, nobody

T = TypeVar("T")


class Changes:
    """What was done to a host or, in check mode, what would be. `tell` gets what is done while it is."""

    def __init__(self, check_mode: bool, tell: Tell = nobody) -> None:
        self.check_mode, self.tell = check_mode, tell
        self.actions: List[str] = []
        self.notices: List[str] = []
        self._before: Dict[str, Any] = {}
        self._after: Dict[str, Any] = {}

    def do(self, text: str, act: Callable[[], T]) -> Optional[T]:
        """Call `act`, except in check mode, and record `text` unless that fails. Returns what `act` returned."""
        place = len(self.actions)
        self.actions.append(text)
        if self.check_mode:
            return None
        self.tell(text)
        try:
            return act()
        except BaseException:
            del self.actions[place]
            raise

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def show(self, thing: str, before: Any, after: Any) -> None:
        """Add one thing to the diff; None means that it is not there."""
        self._before[thing] = before
        self._after[thing] = after

    def add(self, other: Changes) -> None:
        """What was done to another part of the same host."""
        self.actions += other.actions
        self.notices += other.notices
        self._before.update(other._before)
        self._after.update(other._after)

    @property
    def changed(self) -> bool:
        return bool(self.actions)

    def result(self, **values: Any) -> Dict[str, Any]:
        return dict(
            values,
            changed=self.changed,
            actions=self.actions,
            notices=self.notices,
            diff={"before": _lines(self._before), "after": _lines(self._after)},
        )


def _lines(things: Mapping[str, Any]) -> str:
    """A tree as `path: value` lines: a diff of these shows exactly what differs, without context."""
    return "".join(f"{path}: {value}\n" for path, value in sorted(lines(things).items()))


def lines(things: Mapping[str, Any]) -> Dict[str, Any]:
    """The leaves of a tree by their path; what is None is not there."""
    return {path: value for path, value in _flatten("", things) if value is not None}


def _flatten(path: str, value: Any) -> Iterator[Tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(f"{path}/{key}" if path else str(key), inner)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _flatten(f"{path}[{index}]", inner)
    else:
        yield path, value
