# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of modules says of the plan, from the dataclasses that it is made of: the suboptions of the
option `plan` as documentation fragments, and the whole of it as what the module plan returns."""

from __future__ import annotations

import collections.abc
import dataclasses
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml

from plugins.module_utils._balancing import LoadBalancerShare
from plugins.module_utils._data import NOTHING, argument, field_notes
from plugins.module_utils._shares import AccessoryShare, HostShare, ProxyShare
from plugins.plugin_utils.plan.model import Plan

FROM_PLAN = "Where it is left out, it is taken from the plan that M(caravan.kamal.plan) made in this run."
FRAGMENTS = {
    "host_share": (HostShare, f"What a host is to know of a release. {FROM_PLAN}"),
    "accessory_share": (AccessoryShare, f"What a host is to know of an accessory. {FROM_PLAN}"),
    "loadbalancer_share": (LoadBalancerShare, f"What a load balancer is to know. {FROM_PLAN}"),
    "proxy_share": (
        ProxyShare,
        "kamal-proxy as the plan of a run has it, RV(caravan.kamal.plan#module:plan.hosts) at C(proxy).",
    ),
}
# Shares that the plan holds are described once, as the option of the module that takes them.
TAKEN_BY = {HostShare: "release", LoadBalancerShare: "loadbalancer", ProxyShare: "proxy"}
FRAGMENT = '''\
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option `plan`. Generated from plugins/module_utils/_shares.py by `make docs`; do not edit."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
{yaml}"""
'''
# What `make docs` writes in the module plan stands between these.
BEGIN, END = 'RETURN = r"""\n', '"""\n'
WIDTH = 110


class _Flow:
    """A value that is written on one line."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Flow, lambda dumper, flow: _flow(dumper, flow.value))


def _flow(dumper: yaml.SafeDumper, value: Any) -> yaml.Node:
    node = dumper.represent_data(value)
    if isinstance(node, yaml.CollectionNode):
        node.flow_style = True
    return node


def as_yaml(data: Any) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH, default_flow_style=False)


def pages(root: Path) -> dict[Path, str]:
    """The files that follow from the dataclasses, with their text."""
    module = root / "plugins" / "modules" / "plan.py"
    folder = root / "plugins" / "doc_fragments"
    return {
        module: with_return(module.read_text(encoding="utf-8")),
        **{folder / f"{name}.py": fragment(kind, text) for name, (kind, text) in FRAGMENTS.items()},
    }


def fragment(kind: Any, text: str) -> str:
    option = {
        "description": [text],
        "type": "dict",
        "suboptions": {name: suboption(hint, metadata) for name, hint, metadata in field_notes(kind)},
    }
    return FRAGMENT.format(yaml=as_yaml({"options": {"plan": option}}))


def suboption(hint: Any, metadata: Any) -> dict[str, Any]:
    spec = argument(hint)
    described = {"description": metadata["about"], **{key: spec[key] for key in spec if key != "options"}}
    inner = dataclass_in(hint)
    if inner and "options" in spec:
        described["suboptions"] = {name: suboption(kind, notes) for name, kind, notes in field_notes(inner)}
    return described


def with_return(page: str) -> str:
    before, begin, rest = page.partition(BEGIN)
    _old, end, after = rest.partition(END)
    described = {
        "plan": {
            "description": "The plan. The role plan keeps it in C(kamal_plan) of localhost.",
            "returned": "success",
            "type": "dict",
            "contains": contents(Plan),
        }
    }
    note = "# Generated from plugins/plugin_utils/plan/model.py by `make docs`.\n"
    return f"{before}{begin}{note}{as_yaml(described)}{end}{after}"


def contents(kind: Any) -> dict[str, Any]:
    return {name: returned(hint, metadata) for name, hint, metadata in field_notes(kind)}


def returned(hint: Any, metadata: Any) -> dict[str, Any]:
    spec = argument(hint)
    described = {"description": metadata["about"], "type": spec["type"]}
    if "elements" in spec:
        described["elements"] = spec["elements"]
    inner, key = dataclass_in(hint), metadata["key"]
    if inner in TAKEN_BY:
        described["description"] = [metadata["about"], f"See O(caravan.kamal.{TAKEN_BY[inner]}#module:plan)."]
    elif inner and key:
        described["contains"] = {key: {"description": "One of them.", "type": "dict", "contains": contents(inner)}}
    elif inner and spec["type"] != "raw":
        described["contains"] = contents(inner)
    elif metadata["sample"] is not None:
        described["sample"] = _Flow(metadata["sample"])
    return described


def dataclass_in(hint: Any) -> Any:
    """The dataclass that a field holds, by itself, as one of null and it, or as the items of a list or map."""
    if dataclasses.is_dataclass(hint):
        return hint
    inner = [kind for kind in get_args(hint) if kind is not NOTHING]
    if get_origin(hint) in (collections.abc.Sequence, collections.abc.Mapping):
        inner = inner[-1:]
    return next((found for found in map(dataclass_in, inner) if found), None)
