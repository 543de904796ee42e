# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the plan says of the builder of an image, for the modules that are about the builder alone."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Callable, Dict, Optional

from ...module_utils._build.builders import Choice
from ...module_utils._build.wanted import choice
from .model import Build


def filled(arguments: Dict[str, Any], planned: Callable[[], Optional[Build]]) -> Dict[str, Any]:
    """`arguments` with the choice of the plan, unless they hold one themselves."""
    build = None if any(each.name in arguments for each in fields(Choice)) else planned()
    return {**asdict(choice(build)), **arguments} if build else arguments
