# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dataclasses to plain data and back: nothing is lost, and what does not fit is named by its place."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Union

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._data import (
    _fields,
    about,
    from_data,
    look_up_types,
    options,
    to_data,
)
from ansible_collections.caravan.kamal.plugins.module_utils._errors import PlanError
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan


@dataclass(frozen=True)
class Leaf:
    secret: str


@dataclass(frozen=True)
class Tree:
    name: str
    size: int
    tall: bool
    maybe: Optional[int]
    leaf: Leaf
    leaves: Sequence[Leaf]
    by_name: Mapping[str, Leaf]
    either: Union[str, Leaf, None] = field(metadata=about("One or the other."))
    anything: Dict[str, Any]


DATA = {
    "name": "oak",
    "size": 3,
    "tall": True,
    "maybe": None,
    "leaf": {"secret": "a"},
    "leaves": [{"secret": "b"}, {"secret": "c"}],
    "by_name": {"x": {"secret": "d"}},
    "either": "text",
    "anything": {"x": [1, None, {"y": "z"}]},
}
TREE = Tree(
    "oak", 3, True, None, Leaf("a"), [Leaf("b"), Leaf("c")], {"x": Leaf("d")}, "text", {"x": [1, None, {"y": "z"}]}
)


def test_there_and_back() -> None:
    assert to_data(TREE) == DATA
    assert from_data(Tree, DATA) == TREE
    assert json.loads(json.dumps(to_data(TREE))) == DATA


@pytest.mark.parametrize(
    ("value", "expected"), [("text", "text"), (None, None), ({"secret": "S"}, Leaf("S"))], ids=["text", "null", "map"]
)
def test_one_of_several_types(value: Any, expected: Any) -> None:
    assert from_data(Tree, {**DATA, "either": value}).either == expected


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"size": "3"}, "plan/size: expected a whole number, found str"),
        ({"size": True}, "plan/size: expected a whole number, found bool"),
        ({"tall": 1}, "plan/tall: expected true or false, found int"),
        ({"name": None}, "plan/name: expected a string, found nothing"),
        ({"maybe": "x"}, "plan/maybe: expected a whole number, found str"),
        ({"leaf": []}, "plan/leaf: expected a map, found list"),
        ({"leaf": {}}, "plan/leaf/secret is missing"),
        ({"leaves": {"secret": "b"}}, "plan/leaves: expected a list, found dict"),
        ({"leaves": "bc"}, "plan/leaves: expected a list, found str"),
        ({"leaves": [{"secret": "b"}, {"secret": 5}]}, "plan/leaves/1/secret: expected a string, found int"),
        ({"by_name": {"x": {"secret": "d", "more": 1}}}, "plan/by_name/x/more is unknown"),
        ({"either": 5}, "plan/either: expected a string, found int"),
        ({"either": {"secret": "a", "b": 1}}, "plan/either/b is unknown"),
        ({"anything": []}, "plan/anything: expected a map, found list"),
        ({"odd": 1, "even": 2}, "plan/odd is unknown; plan/even is unknown"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place_and_not_by_its_value(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError) as caught:
        from_data(Tree, {**DATA, **changed})
    assert caught.value.message.startswith(f"{message}. This is no plan of this version")


@pytest.mark.parametrize("data", [None, [], "plan", 5])
def test_what_is_no_plan_at_all(data: Any) -> None:
    with pytest.raises(PlanError, match="plan: expected a map"):
        from_data(Plan, data)


def test_a_whole_plan_survives(plan_of: Callable[..., Plan]) -> None:
    registry = {"server": "r.example.com", "username": "me", "password": ["P"]}
    accessories = {"db": {"image": "postgres", "host": "host1", "env": {"secret": ["A:B"]}, "registry": registry}}
    plan = plan_of("v1", registry=registry, accessories=accessories)
    assert from_data(Plan, json.loads(json.dumps(to_data(plan)))) == plan


def test_the_types_of_a_plan_are_looked_up_once_before_there_are_processes_that_read_it(
    plan_of: Callable[..., Plan],
) -> None:
    _fields.cache_clear()
    look_up_types(Plan)
    looked_up = _fields.cache_info().misses
    data = to_data(plan_of("v1", accessories={"db": {"image": "postgres", "host": "host1"}}))
    assert from_data(Plan, data).accessories["db"].hosts == ["host1"]
    assert looked_up and _fields.cache_info().misses == looked_up


def test_a_share_as_the_suboptions_of_a_module() -> None:
    suboptions = options(HostShare)
    assert suboptions["service"] == {"type": "str", "required": True, "no_log": False}
    assert suboptions["destination"] == {"type": "str", "no_log": False}
    assert (suboptions["roles"]["type"], suboptions["roles"]["elements"]) == ("list", "dict")
    assert suboptions["roles"]["options"]["secrets"] == {"type": "dict", "required": True, "no_log": False}
    assert options(Tree)["either"] == {"type": "raw", "no_log": False}
