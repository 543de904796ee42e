# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The `ssh` section as Ansible's connection variables."""

from __future__ import annotations

import os
import shlex
from typing import Any, Dict, List, Mapping, Sequence

JUMP_USER = "root"


def connection(ssh: Mapping[str, Any]) -> Dict[str, Any]:
    """The variables of a host, from a section with its defaults."""
    keys = [os.path.expanduser(key) for key in ssh.get("keys") or ()]
    variables = {
        "ansible_user": ssh["user"],
        "ansible_pipelining": True,
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": shlex.join(arguments(ssh, keys)),
    }
    if "port" in ssh:
        variables["ansible_port"] = ssh["port"]
    if keys:
        variables["ansible_ssh_private_key_file"] = keys[0]
    return variables


def arguments(ssh: Mapping[str, Any], keys: Sequence[str]) -> List[str]:
    """What `ssh` is called with besides the first key, the user and the port."""
    words = ["-o", "ServerAliveInterval=30"]
    if ssh.get("proxy"):
        proxy = str(ssh["proxy"])
        words += ["-o", f"ProxyJump={proxy if '@' in proxy else f'{JUMP_USER}@{proxy}'}"]
    elif ssh.get("proxy_command"):
        words += ["-o", f"ProxyCommand={ssh['proxy_command']}"]
    for key in keys[1:]:
        words += ["-i", key]
    if ssh.get("keys_only"):
        words += ["-o", "IdentitiesOnly=yes"]
    if "forward_agent" in ssh:
        words += ["-o", f"ForwardAgent={'yes' if ssh['forward_agent'] else 'no'}"]
    return words + _configuration(ssh.get("config"))


def _configuration(config: Any) -> List[str]:
    """OpenSSH reads one configuration file; `true` is its own default and `false` none at all."""
    if config is False:
        return ["-F", "/dev/null"]
    files = (config or [True]) if isinstance(config, list) else [config]
    return ["-F", os.path.expanduser(str(files[0]))] if isinstance(files[0], str) else []
