# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The error pages of a project: which files they are, and where a version's lie on a host."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from typing import Dict, Mapping, Optional

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
    except OSError as error:
        raise _wrong(config, f"cannot read {error.filename}: {error.strerror}") from error
    if not pages:
        raise _wrong(config, f"{there} has no page such as 404.html or 503.html; add one, or remove this key")
    return f"{Names(config.data['service'], config.destination).error_pages}/{version}/{_fingerprint(pages)}"


def planned(there: str, folder: str) -> Dict[str, str]:
    """The pages that go to this folder of the plan. ConfigError where they are others by now."""
    try:
        pages = read(there)
    except OSError as error:
        raise _later(f"cannot read {error.filename}: {error.strerror}. It changed") from error
    if _fingerprint(pages) != folder.rpartition("/")[2]:
        raise _later(f"the pages in {there} changed")
    return pages


def read(there: str) -> Dict[str, str]:
    """The pages by their names, `503.html`. OSError, also for what is no UTF-8, names the file."""
    return {name: _text(os.path.join(there, name)) for name in sorted(os.listdir(there)) if PAGE.fullmatch(name)}


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as page:
            return page.read()
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, "it is no UTF-8", path) from error


def _fingerprint(pages: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(pages, sort_keys=True).encode()).hexdigest()[:16]


def _later(message: str) -> ConfigError:
    return ConfigError([Problem(f"{message} since this run made its plan. Run this again.", KEY)])


def _wrong(config: Config, message: str) -> ConfigError:
    return ConfigError([Problem(message, KEY, config.where(KEY))])
