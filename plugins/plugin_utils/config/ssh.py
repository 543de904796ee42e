# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sections `ssh` and `sshkit` as Ansible's connection variables."""

from __future__ import annotations

import os
import shlex
from typing import Any, Dict, List, Mapping, Sequence

JUMP_USER = "root"
# Of ssh, by what Kamal's library calls them.
LOG_LEVELS = {"debug": "DEBUG", "info": "INFO", "warn": "ERROR", "error": "ERROR", "fatal": "FATAL"}
# Templates of our own, so nothing of the configuration may be in them. They are asked for where a host is reached:
# reading an inventory needs no key.
_ASKED = "{{{{ lookup('caravan.kamal.ssh', '{}') | quote }}}}"


def connection(config: Mapping[str, Any]) -> Dict[str, Any]:
    """The variables of a host, from a configuration with its defaults."""
    ssh = config["ssh"]
    keys = [os.path.expanduser(key) for key in ssh.get("keys") or ()]
    variables = {
        "ansible_user": ssh["user"],
        "ansible_pipelining": True,
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_args": shlex.join(kept_open(config["sshkit"]["pool_idle_timeout"])),
        "ansible_ssh_common_args": shlex.join(arguments(ssh, keys)),
    }
    if asked_for(ssh):
        variables["ansible_ssh_extra_args"] = " ".join(asked_for(ssh))
    if "port" in ssh:
        variables["ansible_port"] = ssh["port"]
    if keys:
        variables["ansible_ssh_private_key_file"] = keys[0]
    return variables


def kept_open(idle: int) -> List[str]:
    """One connection for all that a run asks of a host, until it has not been used for that long."""
    return ["-o", "ControlMaster=auto", "-o", f"ControlPersist={f'{idle}s' if idle else 'no'}"]


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
    if "log_level" in ssh:
        words += ["-o", f"LogLevel={LOG_LEVELS[ssh['log_level']]}"]
    if "forward_agent" in ssh:
        words += ["-o", f"ForwardAgent={'yes' if ssh['forward_agent'] else 'no'}"]
    return words + _only(ssh, keys) + _configuration(configurations(ssh))


def _only(ssh: Mapping[str, Any], keys: Sequence[str]) -> List[str]:
    """The keys of key_data are those of an agent that has no others: ssh must not pass over them."""
    if not ssh.get("keys_only"):
        return []
    if not ssh.get("key_data"):
        return ["-o", "IdentitiesOnly=yes"]
    return ["-o", "IdentitiesOnly=no", *([] if keys else ["-o", "IdentityFile=none"])]


def asked_for(ssh: Mapping[str, Any]) -> List[str]:
    """What is made for the length of a run: an agent with the keys of key_data, a file that includes several."""
    agent = ["-o", f"IdentityAgent={_ASKED.format('agent')}"] if ssh.get("key_data") else []
    return agent + (["-F", _ASKED.format("config")] if len(configurations(ssh)) > 1 else [])


def configurations(ssh: Mapping[str, Any]) -> List[str]:
    """The files of the OpenSSH configuration; none where it is the usual ones."""
    config = ssh.get("config")
    if config is False:
        return [os.devnull]
    files = config if isinstance(config, list) else [config]
    return [os.path.expanduser(file) for file in files if isinstance(file, str)]


def _configuration(files: Sequence[str]) -> List[str]:
    return ["-F", files[0]] if len(files) == 1 else []


def secret_names(ssh: Mapping[str, Any]) -> List[str]:
    """The secrets that hold private keys."""
    return [str(each) for each in ssh.get("key_data") or () if not _is_key(each)]


def plain_keys(ssh: Mapping[str, Any]) -> Dict[str, str]:
    """Private keys that stand in the configuration itself, as Kamal still takes them, by a name for people."""
    keys = [str(each) for each in ssh.get("key_data") or () if _is_key(each)]
    return {f"key {number}": key for number, key in enumerate(keys, 1)}


def _is_key(value: Any) -> bool:
    return "PRIVATE KEY-----" in str(value)
