# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ruby's values as Python's, and the methods of strings, lists and nothing that configuration files call."""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Iterator, List, Mapping, Optional, Pattern, Sequence, Tuple

from .hidden import kind_of
from .ruby_tokens import Failed, NotUnderstood

# A pattern may look at this many characters; files that are read for a version number are shorter.
LONGEST_SEARCH = 100_000
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "e": "\x1b"}


def truthy(value: Any) -> bool:
    return value is not None and value is not False


def to_text(value: Any) -> str:
    """What `<%= %>` writes."""
    if value is None:
        return ""
    return inspected(value) if isinstance(value, (bool, list)) else str(value)


def inspected(value: Any) -> str:
    """A value inside a list."""
    if isinstance(value, list):
        return f"[{', '.join(map(inspected, value))}]"
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def literal(body: str) -> str:
    """The text between single quotes."""
    return re.sub(r"\\(['\\])", r"\1", body)


def pieces_of(body: str) -> Iterator[Tuple[str, bool]]:
    """The pieces of a text between double quotes: what they are, and whether they are code from `#{…}`."""
    position = 0
    for match in re.finditer(r"#\{(?P<code>[^}]*)\}|\\(?P<escaped>.)", body, re.DOTALL):
        yield body[position : match.start()], False
        position = match.end()
        letter = match.group("escaped")
        if letter is None:
            yield match.group("code"), True
        elif letter in "CMux01234567\n":
            raise NotUnderstood(match.group())
        else:
            yield _ESCAPES.get(letter, letter), False
    yield body[position:], False


def pattern(source: str) -> Pattern[str]:
    """A pattern from `/…/flags`, where Ruby and Python agree on its meaning."""
    body, _slash, letters = source[1:].rpartition("/")
    if re.search(r"\\[GKRXhHpPgkzZ]|\[\[:|\(\?[^:=!<]|[*+?}]\+", body.replace(r"\z", "").replace(r"\Z", "")):
        raise NotUnderstood(source)
    flags = re.MULTILINE | re.ASCII
    for letter in letters:
        flags |= {"i": re.IGNORECASE, "m": re.DOTALL, "x": re.VERBOSE}[letter]
    body = re.sub(r"\(\?<(?=\w)", "(?P<", body).replace(r"\z", r"\Z").replace(r"\/", "/")
    try:
        return re.compile(body, flags)
    except (re.error, OverflowError, RecursionError):
        raise NotUnderstood(source) from None


def equal(left: Any, right: Any) -> bool:
    return isinstance(left, bool) is isinstance(right, bool) and bool(left == right)


def is_blank(value: Any) -> bool:
    """As ActiveSupport has it."""
    return value is None or value is False or value == [] or (isinstance(value, str) and not value.strip())


def _text(value: Any, method: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise Failed(f".{method} is called on nothing: the value before it is not set", "NoMethodError")
    raise Failed(f".{method} is called on {kind_of(value)}, which is not text", "NoMethodError")


def _list(value: Any, method: str) -> List[Any]:
    if isinstance(value, list):
        return value
    if value is None:
        raise Failed(f".{method} is called on nothing: the value before it is not set", "NoMethodError")
    raise Failed(f".{method} is called on {kind_of(value)}, which is not a list", "NoMethodError")


def _searched(value: Any, method: str) -> str:
    text = _text(value, method)
    if len(text) > LONGEST_SEARCH:
        raise Failed(f".{method} is called on a text of {len(text)} characters, which is too long here")
    return text


def _scan(value: Any, what: Any) -> List[Any]:
    text = _searched(value, "scan")
    if isinstance(what, str):
        return [what] * text.count(what) if what else [""] * (len(text) + 1)
    return [list(match.groups()) if match.re.groups else match.group() for match in _regex(what, "scan").finditer(text)]


def _match(value: Any, what: Any) -> Optional[List[Any]]:
    match = _regex(what, "match").search(_searched(value, "match"))
    return [match.group(), *match.groups()] if match else None


def _regex(what: Any, method: str) -> Pattern[str]:
    if not isinstance(what, re.Pattern):
        raise NotUnderstood(f".{method}({inspected(what)})")
    return what


def _replaced(value: Any, what: Any, by: Any, count: int) -> str:
    text, new = _searched(value, "sub"), _text(by, "sub")
    if "\\" in new:
        raise NotUnderstood(new)
    if isinstance(what, str):
        return text.replace(what, new, count or -1)
    return _regex(what, "sub").sub(lambda _match: new, text, count=count)


def _split(value: Any, separator: Any = " ") -> List[str]:
    text = _searched(value, "split")
    if separator == " ":
        return text.split()
    parts = _regex(separator, "split").split(text) if not isinstance(separator, str) else _split_at(text, separator)
    while parts and not parts[-1]:
        parts.pop()
    return [part or "" for part in parts]


def _split_at(text: str, separator: str) -> List[str]:
    return text.split(separator) if separator else list(text)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (str, list)) else len(_text(value, "size"))


def _includes(value: Any, what: Any) -> bool:
    return what in value if isinstance(value, list) else _text(what, "include?") in _text(value, "include?")


def _whole(value: Any) -> int:
    if value is None or isinstance(value, int):
        return int(value or 0)
    match = re.match(r"\s*([-+]?[0-9]{1,18})", _text(value, "to_i"))
    return int(match.group(1)) if match else 0


def _join(value: Any, separator: Any = "") -> str:
    return _text(separator, "join").join(to_text(item) for item in _list(value, "join"))


def item(value: Any, *index: Any) -> Any:
    """`value[index]`; for a text an index may be a pattern, with the number of a group."""
    first = index[0] if index else None
    if isinstance(first, re.Pattern):
        match = first.search(_searched(value, "[]"))
        group = index[1] if len(index) > 1 else 0
        if not isinstance(group, int) or group > first.groups:
            return None
        return match.group(group) if match else None
    if len(index) != 1 or isinstance(first, bool) or not isinstance(first, int):
        raise NotUnderstood("[]")
    if value is None:
        raise Failed("[] is called on nothing: the value before it is not set", "NoMethodError")
    if not isinstance(value, (str, list)):
        raise NotUnderstood("[]")
    return value[first] if -len(value) <= first < len(value) else None


def plus(left: Any, right: Any) -> Any:
    for kind, name in _ADDED:
        if isinstance(left, kind) and not isinstance(left, bool):
            if isinstance(right, kind) and not isinstance(right, bool):
                return left + right
            raise Failed(f"{kind_of(right)} cannot be added to {name}", "TypeError")
    raise Failed("+ is called on nothing: the value before it is not set", "NoMethodError")


_ADDED: Sequence[Tuple[Any, str]] = ((str, "a text"), (list, "a list"), (int, "a number"))
# Each method with the least and the most number of its arguments.
METHODS: Mapping[str, Tuple[Callable[..., Any], int, int]] = {
    "blank?": (is_blank, 0, 0),
    "capitalize": (lambda value: _text(value, "capitalize").capitalize(), 0, 0),
    "chomp": (lambda value: re.sub(r"(\r\n|\n|\r)\Z", "", _text(value, "chomp")), 0, 0),
    "compact": (lambda value: [each for each in _list(value, "compact") if each is not None], 0, 0),
    "delete_prefix": (lambda value, part: re.sub(rf"\A{re.escape(_text(part, 'x'))}", "", _text(value, "x")), 1, 1),
    "delete_suffix": (lambda value, part: re.sub(rf"{re.escape(_text(part, 'x'))}\Z", "", _text(value, "x")), 1, 1),
    "downcase": (lambda value: _text(value, "downcase").lower(), 0, 0),
    "empty?": (lambda value: _size(value) == 0, 0, 0),
    "end_with?": (lambda value, part: _text(value, "end_with?").endswith(_text(part, "end_with?")), 1, 1),
    "first": (lambda value: item(_list(value, "first"), 0), 0, 0),
    "gsub": (lambda value, what, by: _replaced(value, what, by, 0), 2, 2),
    "include?": (_includes, 1, 1),
    "join": (_join, 0, 1),
    "last": (lambda value: item(_list(value, "last"), -1), 0, 0),
    "length": (_size, 0, 0),
    "lines": (lambda value: _text(value, "lines").splitlines(keepends=True), 0, 0),
    "lstrip": (lambda value: _text(value, "lstrip").lstrip(), 0, 0),
    "match": (_match, 1, 1),
    "match?": (lambda value, what: _match(value, what) is not None, 1, 1),
    "nil?": (lambda value: value is None, 0, 0),
    "presence": (lambda value: None if is_blank(value) else value, 0, 0),
    "present?": (lambda value: not is_blank(value), 0, 0),
    "rstrip": (lambda value: _text(value, "rstrip").rstrip(), 0, 0),
    "scan": (_scan, 1, 1),
    "size": (_size, 0, 0),
    "split": (_split, 0, 1),
    "start_with?": (lambda value, part: _text(value, "start_with?").startswith(_text(part, "start_with?")), 1, 1),
    "strip": (lambda value: _text(value, "strip").strip(), 0, 0),
    "sub": (lambda value, what, by: _replaced(value, what, by, 1), 2, 2),
    "to_i": (_whole, 0, 0),
    "to_s": (to_text, 0, 0),
    "upcase": (lambda value: _text(value, "upcase").upper(), 0, 0),
}
