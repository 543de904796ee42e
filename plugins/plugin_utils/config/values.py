# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the schema says about values besides their type: numbers that stand in quotes, and defaults."""

from __future__ import annotations

import re
from typing import Any, Dict, FrozenSet, Iterator, Mapping, Sequence, Tuple

Schema = Mapping[str, Any]

# ERB and environment variables only have text, so a number may stand in quotes. No number that is meant is longer.
_WHOLE_NUMBER = re.compile(r"\s*-?[0-9]{1,18}\s*\Z")
# These sections of the root hold whether they are written or not; an accessory's `proxy` is one if it is written.
_ALWAYS = frozenset(("boot", "builder", "proxy", "ssh", "sshkit"))
# And these wherever the section above them holds.
_BELOW_ALWAYS = frozenset(("healthcheck", "buffering"))
# What is laid over something else: a default in it would hide what it is laid over.
_OVERLAYS = frozenset(("servers", "role", "run", "env", "logging"))

# A text counts as a whole number in quotes.
_KINDS: Sequence[Tuple[type, str]] = ((str, "integer"), (dict, "object"), (list, "array"))


class Values:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def _resolved(self, schema: Schema) -> Schema:
        if "$ref" in schema:
            resolved: Schema = self._schema["$defs"][schema["$ref"].rpartition("/")[2]]
            return resolved
        return schema

    def _forms(self, schema: Schema) -> Iterator[Schema]:
        """The alternatives of a value, one if there is nothing to choose."""
        schema = self._resolved(schema)
        for form in schema.get("anyOf", (schema,)):
            yield from self._forms(form) if form is not schema else (schema,)

    def with_numbers(self, data: Any) -> Any:
        """The same data with whole numbers where the schema wants one and it stands in quotes."""
        return self._with_numbers(self._schema, data)

    def _with_numbers(self, schema: Schema, data: Any) -> Any:
        kind = next((name for type_, name in _KINDS if isinstance(data, type_)), None)
        form = next((form for form in self._forms(schema) if form.get("type") == kind), None)
        if kind is None or form is None:
            return data
        if isinstance(data, str):
            return int(data) if _WHOLE_NUMBER.match(data) else data
        if isinstance(data, list):
            return [self._with_numbers(form.get("items", {}), item) for item in data]
        return {key: self._with_numbers(_of_key(form, key), value) for key, value in data.items()}

    def with_defaults(self, data: Dict[str, Any]) -> Dict[str, Any]:
        """A valid configuration with the defaults of all that is not laid over something else."""
        full = self._filled(self._schema, data, _ALWAYS)
        accessories = self._schema["properties"]["accessories"]["additionalProperties"]
        if "accessories" in full:
            full["accessories"] = {
                name: self._filled(self._resolved(accessories), section, frozenset())
                for name, section in full["accessories"].items()
            }
        return full

    def _filled(self, schema: Schema, data: Dict[str, Any], always: FrozenSet[str]) -> Dict[str, Any]:
        full = dict(data)
        for name, inner, is_overlay in self._keys(schema):
            if name in full and isinstance(full[name], dict) and not is_overlay:
                full[name] = self._filled(inner, full[name], frozenset())
            elif name not in full and "default" in inner:
                full[name] = inner["default"]
            elif name not in full and name in always | _BELOW_ALWAYS:
                full[name] = self._filled(inner, {}, frozenset())
        return full

    def _keys(self, schema: Schema) -> Iterator[Tuple[str, Schema, bool]]:
        for name, inner in schema.get("properties", {}).items():
            section = inner.get("$ref", "").rpartition("/")[2]
            yield name, {**self._resolved(inner), **inner}, section in _OVERLAYS


def _of_key(form: Schema, key: str) -> Schema:
    """The schema of one key of a map."""
    inner = form.get("properties", {}).get(key, form.get("additionalProperties"))
    return inner if isinstance(inner, dict) else {}
