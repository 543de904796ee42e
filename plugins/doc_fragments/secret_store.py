# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which password manager is asked, and for what."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  adapter:
    description:
      - The password manager or secret store to ask, by its own command line on the controller.
      - Known are V(1password), V(aws_secrets_manager), V(bitwarden), V(bitwarden_secrets_manager) or V(bitwarden-sm),
        V(doppler), V(enpass), V(gcp_secret_manager) or V(gcp), V(lastpass), V(passbolt), V(sops), V(vault), and
        V(test), which gives each name backwards.
    type: str
  account:
    description: The account, where the adapter needs one; a profile with V(aws_secrets_manager), a namespace with
      V(vault).
    type: str
  from:
    description: The vault, item, folder, project or file to look in, in the words of the adapter.
    type: str
"""
