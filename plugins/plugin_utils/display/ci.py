# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stages as the groups of lines that a CI folds, and failures as its annotations."""

from __future__ import annotations

import re
import time
from typing import List, Mapping, Optional


class Plain:
    """No CI that is known: a stage is a line with an empty one before it."""

    is_ci = False

    def begin(self, stage: str) -> List[str]:
        return [f"\n{stage}"]

    def end(self) -> List[str]:
        return []

    def failure(self, _text: str) -> List[str]:
        return []


class GitHub(Plain):
    is_ci = True

    def begin(self, stage: str) -> List[str]:
        return [f"::group::{stage}"]

    def end(self) -> List[str]:
        return ["::endgroup::"]

    def failure(self, text: str) -> List[str]:
        """It is shown beside the run, outside of the folded lines."""
        escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        return [f"::error title=Caravan::{escaped}"]


class GitLab(Plain):
    is_ci = True

    def __init__(self) -> None:
        self._open: Optional[str] = None

    def begin(self, stage: str) -> List[str]:
        self._open = re.sub(r"[^a-z0-9]+", "_", stage.lower())[:60]
        return [f"\x1b[0Ksection_start:{int(time.time())}:{self._open}\r\x1b[0K{stage}"]

    def end(self) -> List[str]:
        return [f"\x1b[0Ksection_end:{int(time.time())}:{self._open}\r\x1b[0K"]


def of(environ: Mapping[str, str]) -> Plain:
    if environ.get("GITHUB_ACTIONS") == "true":
        return GitHub()
    return GitLab() if environ.get("GITLAB_CI") == "true" else Plain()
