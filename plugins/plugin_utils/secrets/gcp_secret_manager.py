# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google Secret Manager, by `gcloud`. Names are `[PROJECT/]NAME[/VERSION]`, with `default` for gcloud's own project.

`--account` is a user or `default`, and after a bar the service accounts to impersonate: `default|deploy@example.com`.
"""

from __future__ import annotations

import base64
import binascii
from typing import List, Tuple

from .adapter import Adapter, Found, Request
from .tool import Tool

_DEFAULT = "default"
# gcloud writes bytes in the alphabet for addresses.
_ALPHABET = str.maketrans("-_", "+/")


def _fetch(request: Request, tool: Tool) -> Found:
    if not tool.ask_json("cannot tell who is logged in", "auth", "list", "--format=json"):
        raise tool.error("nobody is logged in to gcloud", tool.login)
    return dict(_secret(name, request.account or _DEFAULT, tool) for name in request.full_names)


def _secret(full_name: str, account: str, tool: Tool) -> Tuple[str, str]:
    project, name, version = _parts(full_name, tool)
    shown = name if project == _DEFAULT else f"{project}/{name}"
    options = [*_options(project, account), "--format=json"]
    words = ["versions", "access", version, f"--secret={name}", *options]
    answer = tool.ask_json(f"cannot read {shown}", "secrets", *words)
    try:
        data = base64.b64decode(answer["payload"]["data"].translate(_ALPHABET)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise tool.error(f"{shown} is no text", "Only secrets that are UTF-8 text can be used.") from None
    return shown, data


def _parts(full_name: str, tool: Tool) -> Tuple[str, str, str]:
    words = full_name.split("/")
    if len(words) > 3 or not all(words):
        raise tool.error(f"{full_name} is not of the form PROJECT/NAME/VERSION", "Write it so, or just NAME.")
    words = [_DEFAULT, *words] if len(words) == 1 else words
    return words[0], words[1], words[2] if len(words) > 2 else "latest"


def _options(project: str, account: str) -> List[str]:
    user, _bar, impersonated = account.partition("|")
    options = {"project": project, "account": user}
    given = [f"--{name}={value}" for name, value in options.items() if value != _DEFAULT]
    return given + ([f"--impersonate-service-account={impersonated}"] if impersonated else [])


ADAPTER = Adapter(
    name="gcp_secret_manager",
    command="gcloud",
    install="Install the Google Cloud CLI: https://cloud.google.com/sdk/docs/install.",
    login="Log in before (gcloud auth login), and see that the names, the project and the account are right.",
    fetch=_fetch,
    account="default or the e-mail address of an account, as in 'default|deploy@example.com' to impersonate another",
    named="[PROJECT/]NAME[/VERSION]",
)
