# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What messages say of values that may be secrets: of which kind they are, and nothing of what is in them."""

from __future__ import annotations

from typing import Any, Sequence, Tuple, Union

SECRET = frozenset(("username", "password", "key_data"))
_KINDS: Sequence[Tuple[Any, str]] = (
    (bool, "true or false"),
    (str, "a text"),
    (list, "a list"),
    (dict, "a map"),
    ((int, float), "a number"),
    (type(None), "nil"),
)


def is_secret(path: Sequence[Union[str, int]]) -> bool:
    """Whether a secret may stand at this key, or below it. ERB puts it there even where the file names a variable."""
    return not SECRET.isdisjoint(path)


def kind_of(value: Any) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "something else")
