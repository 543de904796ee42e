# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of a container that is being stopped."""

from __future__ import annotations

from typing import Optional


def stopping(container: str, timeout: Optional[int]) -> str:
    """What it does may take it until the timeout, in seconds; None leaves that to the engine."""
    return f"stopping {container}" + ("" if timeout is None else f", for up to {timeout} s")
