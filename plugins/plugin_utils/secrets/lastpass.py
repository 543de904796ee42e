# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LastPass, by `lpass`. Names are `[FOLDER/]NAME`."""

from __future__ import annotations

from .adapter import Adapter, Found, Request
from .tool import Tool


def _fetch(request: Request, tool: Tool) -> Found:
    account = request.account or ""
    if tool.run("status", "--color", "never").text.strip() != f"Logged in as {account}.":
        tool.ask(f"cannot log in as {account}", "login", account)
    names = request.full_names
    items = tool.ask_json(f"cannot read {', '.join(names)}", "show", *names, "--json")
    found = {str(item["fullname"]): str(item["password"]) for item in items}
    missing = [name for name in names if name not in found]
    if missing:
        raise tool.error(f"there is no {', '.join(missing)}", "See that the folders and names are right.")
    return found


ADAPTER = Adapter(
    name="lastpass",
    command="lpass",
    install="Install the LastPass CLI: https://github.com/lastpass/lastpass-cli.",
    login="Log in before (lpass login), and see that the names are right.",
    fetch=_fetch,
    account="the e-mail address of the account",
    named="[FOLDER/]NAME",
)
