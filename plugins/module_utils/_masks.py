# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Blacks out secrets in whatever people or logs get to see."""

from __future__ import annotations

from typing import Any, List, Mapping

MASK = "********"
# Shorter ones would black out unrelated text.
SHORTEST_MASKED = 4


def masked(value: Any, secrets: Mapping[str, str]) -> Any:
    """`value` with every secret in it blacked out; a multi-line secret also line by line."""
    words = hidden_words(secrets)
    return _mask(value, words) if words else value


def hidden_words(secrets: Mapping[str, str]) -> List[str]:
    """What is blacked out, the longest first."""
    words = {
        line for secret in secrets.values() for line in (secret, *secret.splitlines()) if len(line) >= SHORTEST_MASKED
    }
    return sorted(words, key=len, reverse=True)


def _mask(value: Any, words: Any) -> Any:
    if isinstance(value, str):
        for word in words:
            value = value.replace(word, MASK)
        return value
    if isinstance(value, Mapping):
        return {key: _mask(inner, words) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mask(inner, words) for inner in value]
    return value
