# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""AWS Secrets Manager, by `aws`. Names are those of secrets; a JSON object in one gives `NAME/KEY` for each key."""

from __future__ import annotations

import json
from typing import Any, List, Mapping, Sequence

from .adapter import Adapter, Found, Request, text_of
from .tool import Tool

# As many as the API answers at once.
_BATCH = 20


def _fetch(request: Request, tool: Tool) -> Found:
    profile = ["--profile", request.account] if request.account else []
    found: Found = {}
    complaints: List[str] = []
    for names in _batches(request.full_names):
        words = ["batch-get-secret-value", "--secret-id-list", *names, *profile, "--output", "json"]
        answer = tool.ask_json(f"cannot read {', '.join(names)}", "secretsmanager", *words)
        complaints += [f"{error['SecretId']}: {error['Message']}" for error in answer.get("Errors") or ()]
        for secret in answer["SecretValues"]:
            found.update(_values(secret, tool))
    if complaints:
        raise tool.error(" ".join(complaints).rstrip("."), "See that the names, the profile and its region are right.")
    return found


def _batches(names: Sequence[str]) -> List[Sequence[str]]:
    return [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]


def _values(secret: Mapping[str, Any], tool: Tool) -> Found:
    name, text = str(secret["Name"]), secret.get("SecretString")
    if text is None:
        raise tool.error(f"{name} holds bytes, not text", "Store it as text (SecretString).")
    try:
        value = json.loads(text)
    except ValueError:
        return {name: text}
    if isinstance(value, dict):
        return {f"{name}/{key}": text_of(each) for key, each in value.items()}
    return {name: value if isinstance(value, str) else text}


ADAPTER = Adapter(
    name="aws_secrets_manager",
    command="aws",
    install="Install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html.",
    login="Log in before (aws sso login), or set the AWS_ variables; --account names a profile.",
    fetch=_fetch,
    named="the name or ARN of a secret",
)
