# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Has the module run by the kept process of its host."""

from __future__ import annotations

from ..plugin_utils.kept.action import AsAsked


class ActionModule(AsAsked):
    module = "caravan.kamal.proxy_boot_config"
