# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a build is, written to a file for whoever shows it: a module cannot speak while it runs."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Mapping, Optional, TextIO

from .._masks import masked


class Progress:
    """One line of JSON for each event. Where the file cannot be written, nothing is shown, and the build goes on."""

    def __init__(self, path: Optional[str], hidden: Mapping[str, str]) -> None:
        self.hidden = hidden
        self.file: Optional[TextIO] = None
        with contextlib.suppress(OSError):
            self.file = open(path, "a", encoding="utf-8") if path else None

    def begun(self, step: str) -> None:
        self._write(state="begun", step=step)

    def ended(self, step: str, seconds: Optional[float]) -> None:
        """`seconds` is None for a step whose result was in the cache."""
        self._write(state="ended", step=step, seconds=seconds)

    def moved(self, step: str, amount: str) -> None:
        """How much of what a step fetches or sends has gone."""
        self._write(state="moved", step=step, amount=amount)

    def _write(self, **event: Any) -> None:
        if self.file is None:
            return
        with contextlib.suppress(OSError):
            self.file.write(json.dumps(masked(event, self.hidden)) + "\n")
            self.file.flush()
