# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A configuration for Kamal 1 as one for Kamal 2: what becomes of each key, and what can be converted."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence

from ...module_utils._errors import ConfigError, Problem
from .kamal1_steps import Step, steps
from .lines import slashed
from .yaml_edit import Edits, NotEditable, YamlFile

BY_HAND = "by hand: "


@dataclass(frozen=True)
class Conversion:
    """`shown` is the file as people know it, `before` and `after` what is in it. With a `reason` nothing could be
    converted."""

    shown: str
    before: str
    after: str
    steps: Sequence[Step] = field(default_factory=tuple)
    reason: str = ""

    @property
    def is_former(self) -> bool:
        """Whether the file is for Kamal 1."""
        return any(not step.harmless for step in self.steps)

    @property
    def left(self) -> List[Step]:
        """What Kamal 2 does not take and has to be written by hand."""
        return [step for step in self.steps if not step.harmless and (step.by_hand or self.reason)]

    def lines_left(self) -> List[str]:
        return [self._line(step) for step in self.left]

    def lines(self) -> List[str]:
        """What becomes of each key."""
        explained = [self._line(step) for step in self.steps]
        return [*explained, f"{self.shown}: nothing is converted, since {self.reason}"] if self.reason else explained

    def _line(self, step: Step) -> str:
        hand = BY_HAND if step.by_hand or self.reason else ""
        key = f" {slashed(step.path)}" if step.path else ""
        return f"{self.shown}:{step.line}{key} -> {hand}{step.said}"

    def diff(self) -> str:
        before, after = self.before.splitlines(), self.after.splitlines()
        name = self.shown
        return "\n".join(difflib.unified_diff(before, after, name, f"{name} for Kamal 2", lineterm=""))


def of_files(root: str, paths: Sequence[str]) -> Dict[str, Conversion]:
    """By path those that are for Kamal 1; the first of the `paths` is the base, others are of destinations."""
    found = {path: _read(path, root, path == paths[0]) for path in paths if os.path.isfile(path)}
    return {path: conversion for path, conversion in found.items() if conversion.is_former}


def _read(path: str, root: str, is_base: bool) -> Conversion:
    shown = os.path.relpath(path, root)
    try:
        with open(path, encoding="utf-8") as stream:
            return convert(stream.read(), shown, is_base)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(f"it cannot be read: {error}", where=shown)]) from error


def beside(root: str, destination: Optional[str]) -> List[str]:
    """What Kamal 1 reads beside the configuration, and Kamal 2 does not."""
    ending = f".{destination}" if destination else ""
    secrets = [f".kamal/secrets{end}" for end in ("", "-common", f".{destination}")]
    former = [name for name in (f".env{ending}", f".env{ending}.erb") if os.path.exists(os.path.join(root, name))]
    if not former or any(os.path.exists(os.path.join(root, name)) for name in secrets):
        return []
    return [
        f"{former[0]} -> {BY_HAND}Kamal 2 does not read it. Write {secrets[2 if destination else 0]} with a line "
        "NAME=VALUE for each secret, where the value may be $NAME of the environment or $(a command), and keep values "
        "themselves out of git"
    ]


def convert(text: str, shown: str, is_base: bool) -> Conversion:
    try:
        file = YamlFile(text)
    except NotEditable:
        return Conversion(shown, text, text)  # what is wrong with it is for the check of the configuration to say
    found = steps(file, is_base)
    done = [step for step in found if not step.by_hand]
    edits = Edits(
        removed=[step.path for step in done if step.path and not step.renamed],
        renamed={step.path: step.renamed for step in done if step.renamed},
        added=[(step.path, step.added) for step in done if step.added],
    )
    try:
        return Conversion(shown, text, file.edited(edits) if done else text, found)
    except NotEditable as error:
        return Conversion(shown, text, text, found, str(error))
