# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a run is recorded, from the section `output`."""

from __future__ import annotations

from typing import Any, Mapping
from urllib.parse import urlsplit, urlunsplit

from .model import Output


def output(section: Mapping[str, Any]) -> Output:
    endpoint = (section.get("otel") or {}).get("endpoint")
    return Output((section.get("file") or {}).get("path"), _without_user(str(endpoint)) if endpoint else None)


def _without_user(url: str) -> str:
    """The plan is shown, and Kamal does not use what stands there either."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
