# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dataclasses to plain data and back: how a part of the plan crosses from the controller to a host.

Plain data are dicts with string keys, lists, strings, numbers, booleans and None, as JSON has them. Reading follows the
type hints of the fields and is strict: what is missing, unknown or of another type is a PlanError that names its place.
"""

from __future__ import annotations

import collections.abc
import dataclasses
from functools import lru_cache
from typing import Any, Dict, List, Mapping, Sequence, Tuple, Type, TypeVar, Union, get_args, get_origin, get_type_hints

from ._errors import PlanError

T = TypeVar("T")

NOTHING = type(None)
# Each type with its name in messages and in Ansible's documentation.
SCALARS: Dict[Any, Tuple[str, str]] = {
    str: ("a string", "str"),
    int: ("a whole number", "int"),
    bool: ("true or false", "bool"),
}


def about(text: str, sample: Any = None, key: str = "") -> Dict[str, Any]:
    """The metadata of a field: what it is, an example, and in a map of dataclasses what its keys are."""
    return {"about": text, "sample": sample, "key": key}


def to_data(value: Any) -> Any:
    """Plain data of a dataclass, with everything in it."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_data(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_data(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_data(inner) for inner in value]
    return value


def from_data(kind: Type[T], data: Any, place: str = "plan") -> T:
    """A dataclass from its plain data. `place` begins the key path in messages."""
    result: T = _read(kind, data, place)
    return result


def hints(kind: Any) -> Dict[str, Any]:
    """The type of each field of a dataclass."""
    return {name: hint for name, (hint, _metadata) in _fields(kind).items()}


@lru_cache(maxsize=None)
def _fields(kind: Any) -> Dict[str, Tuple[Any, Mapping[str, Any]]]:
    types = get_type_hints(kind)
    return {field.name: (types[field.name], field.metadata) for field in dataclasses.fields(kind)}


def look_up_types(kind: Any) -> None:
    """Look the types up now, of a dataclass and of all that it holds: processes that are forked later have them."""
    waiting = [kind]
    known = set()
    while waiting:
        hint = waiting.pop()
        if dataclasses.is_dataclass(hint) and hint not in known:
            known.add(hint)
            waiting += hints(hint).values()
        waiting += get_args(hint)


def _read(hint: Any, value: Any, place: str) -> Any:
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return _read_fields(hint, value, place)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Union:
        return _read_one_of(inner, value, place)
    if origin in (dict, collections.abc.Mapping):
        return {key: _read(inner[1], item, f"{place}/{key}") for key, item in _mapping(value, place).items()}
    if origin in (list, collections.abc.Sequence):
        return [_read(inner[0], item, f"{place}/{index}") for index, item in enumerate(_sequence(value, place))]
    if isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    raise _wrong(place, SCALARS[hint][0], value)


def _read_fields(kind: Any, value: Any, place: str) -> Any:
    known, present = hints(kind), _mapping(value, place)
    missing = [name for name in known if name not in present]
    unknown = [str(name) for name in present if name not in known]
    if missing or unknown:
        lacks = [f"{place}/{name} is missing" for name in missing]
        raise _error("; ".join([*lacks, *(f"{place}/{name} is unknown" for name in unknown)]))
    return kind(**{name: _read(hint, present[name], f"{place}/{name}") for name, hint in known.items()})


def _read_one_of(kinds: Sequence[Any], value: Any, place: str) -> Any:
    """Null where that is one of them, else the one that a map, by its keys, or something other than a map can be."""
    if value is None and NOTHING in kinds:
        return None
    others = [kind for kind in kinds if kind is not NOTHING]
    fitting = [kind for kind in others if dataclasses.is_dataclass(kind) == isinstance(value, Mapping)]
    by_keys = [kind for kind in fitting if dataclasses.is_dataclass(kind) and set(hints(kind)) == set(value)]
    return _read((by_keys or fitting or others)[0], value, place)


def _mapping(value: Any, place: str) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    raise _wrong(place, "a map", value)


def _sequence(value: Any, place: str) -> Sequence[Any]:
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return value
    raise _wrong(place, "a list", value)


def _wrong(place: str, expected: str, value: Any) -> PlanError:
    """The value itself is not shown: it may be one that nobody should read."""
    return _error(f"{place}: expected {expected}, found {'nothing' if value is None else type(value).__name__}")


def _error(message: str) -> PlanError:
    return PlanError(
        f"{message}. This is no plan of this version of caravan.kamal: leave the option plan out, or make the plan "
        "with the module caravan.kamal.plan in the same run."
    )


# As Ansible describes options


def options(kind: Any) -> Dict[str, Any]:
    """The fields of a dataclass as the suboptions of an argument spec. They name secrets and never hold one."""
    return {name: {**argument(hint), "no_log": False} for name, hint in hints(kind).items()}


def argument(hint: Any) -> Dict[str, Any]:
    """One field in an argument spec; null may be left out."""
    present = [kind for kind in get_args(hint) if kind is not NOTHING] if get_origin(hint) is Union else [hint]
    described = _described(present[0]) if len(present) == 1 else {"type": "raw"}
    return described if len(present) < len(get_args(hint)) and get_origin(hint) is Union else _required(described)


def _required(described: Mapping[str, Any]) -> Dict[str, Any]:
    return {**described, "required": True}


def _described(hint: Any) -> Dict[str, Any]:
    if dataclasses.is_dataclass(hint):
        return {"type": "dict", "options": options(hint)}
    origin = get_origin(hint)
    if origin in (dict, collections.abc.Mapping):
        return {"type": "dict"}
    if origin in (list, collections.abc.Sequence):
        element = _described(get_args(hint)[0])
        return {**element, "type": "list", "elements": element["type"]}
    return {"type": SCALARS[hint][1] if hint in SCALARS else "raw"}


def field_notes(kind: Any) -> List[Tuple[str, Any, Mapping[str, Any]]]:
    """Each field's name, type and metadata, for documentation."""
    return [(name, hint, metadata) for name, (hint, metadata) in _fields(kind).items()]
