# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the file of a configuration is written anew."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from ansible_collections.caravan.kamal.plugins.action import config_upgrade
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError


def test_where_it_cannot_be_written_it_stays_as_it_is_with_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "deploy.yml"
    file.write_text("before")
    monkeypatch.setattr(os, "replace", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(ConfigError, match=f"{file}: it stays as it is, .*No space left on device.*run this again"):
        config_upgrade._replace(str(file), "after")
    assert [path.name for path in tmp_path.iterdir()] == ["deploy.yml"] and file.read_text() == "before"
