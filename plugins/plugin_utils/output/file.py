# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file for each run, under the name and with the last line that Kamal gives it."""

from __future__ import annotations

import os
import time
from typing import Optional, TextIO

from .record import Run


class FileRecorder:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._file: Optional[TextIO] = None

    def begin(self, run: Run) -> None:
        os.makedirs(self._folder, exist_ok=True)
        parts = [time.strftime("%Y-%m-%dT%H-%M-%S"), run.destination, run.command.replace(".", "_")]
        path = os.path.join(self._folder, "_".join(part for part in parts if part) + ".log")
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._file, self._path = os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace", buffering=1), path

    def line(self, text: str, host: Optional[str], severity: str) -> None:
        if self._file:
            self._file.write(f"{severity} [{host}] {text}\n" if host else f"{severity} {text}\n")

    def end(self, failure: Optional[str], seconds: float) -> Optional[str]:
        if not self._file:
            return None
        self._file.write(f"# FAILED: {failure} ({seconds:.1f}s)\n" if failure else f"# Completed in {seconds:.1f}s\n")
        self._file.close()
        self._file = None
        return f"Logs written to {self._path}"
