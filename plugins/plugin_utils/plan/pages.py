# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The error pages of a project: which files they are, and where a version's lie on a host."""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Dict, Optional

from ...module_utils._errors import ConfigError, Problem
from ...module_utils._names import Names
from ..config.load import Config

KEY = "error_pages_path"
PAGE = re.compile(r"[45]\d\d\.html")


def path(config: Config) -> Optional[str]:
    """Their folder on the controller."""
    value = config.data.get(KEY)
    return os.path.join(config.project_root, str(value)) if value else None


def folder(config: Config, version: str) -> Optional[str]:
    """Where they lie on a host: pages that changed lie elsewhere. ConfigError where there are none."""
    there = path(config)
    if there is None:
        return None
    try:
        pages = read(there)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds a file that is no UTF-8"
        raise _wrong(config, f"cannot read {there}: {reason}") from error
    if not pages:
        raise _wrong(config, f"{there} has no page such as 404.html or 503.html; add one, or remove this key")
    fingerprint = hashlib.sha256(json.dumps(pages, sort_keys=True).encode()).hexdigest()[:16]
    return f"{Names(config.data['service'], config.destination).error_pages}/{version}/{fingerprint}"


def read(there: str) -> Dict[str, str]:
    """The pages by their names, `503.html`."""
    pages = {}
    for name in sorted(os.listdir(there)):
        if PAGE.fullmatch(name):
            with open(os.path.join(there, name), encoding="utf-8", newline="") as page:
                pages[name] = page.read()
    return pages


def _wrong(config: Config, message: str) -> ConfigError:
    return ConfigError([Problem(message, KEY, config.where(KEY))])
