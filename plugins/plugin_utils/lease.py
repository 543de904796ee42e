# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The deploy lock: a directory on one host, Kamal's `details` in it for people, and our `lease` that runs out.

Whoever can make the directory has the lock. A lock that exists is only changed under a second, short-lived directory
inside it, so that of two runs that find a lease expired only one gets it. Times are the host's.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import shlex
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Dict, Mapping, Optional

from ..module_utils._errors import LockError

AUTOMATIC = "Automatic deploy lock"
HALF_MADE_MINUTES = 2
OWNER = re.compile(r"[A-Za-z0-9._@:-]+")
MARK = "caravan-lock:"

FREE, OURS, HELD, EXPIRED, FOREIGN, HALF_MADE, BROKEN = (
    "free",
    "ours",
    "held",
    "expired",
    "foreign",
    "half-made",
    "broken",
)


# The two files


@dataclass(frozen=True)
class Details:
    """What Kamal writes down about a lock."""

    by: str = ""
    at: str = ""
    version: str = ""
    message: str = ""


@dataclass(frozen=True)
class Lease:
    owner: str
    acquired_at: int
    expires_at: int


def render_details(details: Details) -> str:
    one_line = [" ".join(part.split()) for part in (details.by, details.version, details.message)]
    text = f"Locked by: {one_line[0]} at {details.at}\nVersion: {one_line[1]}\nMessage: {one_line[2]}"
    return base64.b64encode(text.encode()).decode()


def parse_details(content: str) -> Details:
    """Kamal breaks the encoded text into lines; what cannot be decoded becomes the message as it is."""
    try:
        text = base64.b64decode("".join(content.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return Details(message=content.strip())
    found = re.match(r"Locked by: (.*?)(?: at (\S+))?\nVersion: (.*?)\nMessage: (.*)", text, re.DOTALL)
    return Details(*(part or "" for part in found.groups())) if found else Details(message=text.strip())


def parse_lease(content: str) -> Optional[Lease]:
    try:
        data = json.loads(content)
        return Lease(str(data["owner"]), int(data["acquired_at"]), int(data["expires_at"]))
    except (ValueError, TypeError, KeyError):
        return None


# What a host answered, and what it means


@dataclass(frozen=True)
class Answer:
    """`outcome` is acquired, renewed, released, absent or held; the rest is the lock that was there before."""

    outcome: str
    now: int
    details: Optional[Details]
    lease: Optional[Lease]
    lease_text: str
    old: bool


def parse_answer(output: str, host: str) -> Answer:
    lines = [line[len(MARK) :] for line in output.splitlines() if line.startswith(MARK)]
    said: Dict[str, str] = dict(line.split("=", 1) for line in lines if "=" in line)
    if "outcome" not in said or "error" in said:
        reason = said.get("error") or output.strip() or "nothing was answered"
        raise LockError(
            f"The deploy lock on {host} could not be used: {reason}. "
            "Check that the user may write to .kamal in its home there and that the disk is not full."
        )
    lease_text = said.get("lease", "")
    return Answer(
        outcome=said["outcome"],
        now=int(said.get("now") or 0),
        details=parse_details(said["details"]) if said.get("details") else None,
        lease=parse_lease(lease_text),
        lease_text=lease_text,
        old=said.get("old") == "yes",
    )


def judge(answer: Answer, owner: str) -> str:
    """One of the words above, for the lock as the host had it."""
    if answer.outcome == "absent":
        return FREE
    if answer.lease:
        if answer.lease.owner == owner:
            return OURS
        return EXPIRED if answer.lease.expires_at <= answer.now else HELD
    if answer.details or answer.lease_text:
        return FOREIGN
    return BROKEN if answer.old else HALF_MADE


def can_be_taken_over(verdict: str) -> bool:
    return verdict in (EXPIRED, BROKEN)


def holder(answer: Answer) -> Dict[str, Optional[str]]:
    """Who has the lock, for a result."""
    details = answer.details or Details()
    expires = _time(answer.lease.expires_at) if answer.lease else None
    return {
        "performer": details.by or None,
        "since": details.at or (_time(answer.lease.acquired_at) if answer.lease else None),
        "version": details.version or None,
        "message": details.message or None,
        "expires": expires,
    }


def describe(answer: Answer, verdict: str) -> str:
    """Who has the lock, since when and for how long, in one sentence without an end."""
    if verdict in (HALF_MADE, BROKEN):
        age = f"for more than {HALF_MADE_MINUTES} minutes" if verdict == BROKEN else "just now"
        return f"it was taken {age} by a run that has not said who it is"
    who = holder(answer)
    what = "".join(
        (f" for version {who['version']}" if who["version"] else "", f" ({who['message']})" if who["message"] else "")
    )
    until = f"it expires at {who['expires']}" if who["expires"] else "it does not expire by itself"
    return f"held by {who['performer'] or 'somebody'} since {who['since'] or 'an unknown time'}{what}; {until}"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# The script: one round trip for each question

_FUNCTIONS = r"""
say() { printf '@MARK@%s=%s\n' "$1" "$2"; }
give_up() { say error "$1"; say outcome error; exit 0; }

tell() {
  say now "$(date +%s)"
  if [ -f "$lock/details" ]; then say details "$(tr -d '\n' < "$lock/details")"; fi
  if [ -f "$lock/lease" ]; then say lease "$(tr -d '\n' < "$lock/lease")"; fi
  if [ -n "$(find "$lock" -prune -mmin +@MINUTES@ 2>/dev/null)" ]; then say old yes; fi
  say outcome "$1"
  exit 0
}

field() { sed -n 's/.*"'"$1"'": "\{0,1\}\([^",}]*\).*/\1/p' "$lock/lease" 2>/dev/null; }

write_lease() {
  printf '{"owner": "%s", "acquired_at": %s, "expires_at": %s}\n' "$owner" "$1" "$(($(date +%s) + ttl))" \
    > "$lock/lease.new" && mv -f "$lock/lease.new" "$lock/lease"
}

write_all() {
  printf '%s\n' "$details" > "$lock/details.new" && mv -f "$lock/details.new" "$lock/details" &&
    write_lease "$(date +%s)"
}

# A guard that was left behind is no guard. Guarding touches the directory, whose age tells: never do it just to look.
guard() {
  if [ -n "$(find "$lock/busy" -prune -mmin +1 2>/dev/null)" ]; then rmdir "$lock/busy" 2>/dev/null; fi
  mkdir "$lock/busy" 2>/dev/null || return 1
  trap 'rmdir "$lock/busy" 2>/dev/null' EXIT
  trap 'exit 1' HUP INT TERM
}

is_ours() { [ "$(field owner)" = "$owner" ]; }

renew() {
  is_ours && guard && is_ours || tell held
  write_lease "$(field acquired_at)" || give_up 'it could not be written'
  say outcome renewed
}

umask 077
cd || give_up 'the user has no home directory'
"""

_ACQUIRE = r"""
reason=$(mkdir -p "${lock%/*}" 2>&1) || give_up "$reason"
if reason=$(mkdir "$lock" 2>&1); then
  write_all || { rm -rf "$lock"; give_up 'it could not be written'; }
  say outcome acquired
  exit 0
fi
[ -d "$lock" ] || give_up "$reason"
if [ -n "$force" ]; then
  guard || tell held
  write_all || give_up 'it could not be written'
  say outcome acquired
  exit 0
fi
renew
"""

_RENEW = r"""
[ -d "$lock" ] || { say outcome absent; exit 0; }
renew
"""

_TAKE_OVER = r"""
[ -d "$lock" ] || { say outcome absent; exit 0; }
guard || tell held
if [ "$(cat "$lock/lease" 2>/dev/null | tr -d '\n')" = "$expected" ]; then
  write_all || give_up 'it could not be written'
  say outcome acquired
else
  tell held
fi
"""

_RELEASE = r"""
[ -d "$lock" ] || { say outcome absent; exit 0; }
if [ -z "$force" ]; then
  is_ours && guard && is_ours || tell held
fi
mv "$lock" "$lock.$owner" || give_up 'it could not be removed'
trap - EXIT
rm -rf "$lock.$owner"
say outcome released
"""

_STATUS = r"""
if [ -d "$lock" ]; then tell held; else say outcome absent; fi
"""


def acquire(directory: str, owner: str, ttl: int, details: Details, force: bool = False) -> str:
    """Take the lock, or renew it where it is ours. With `force` it is ours whoever had it."""
    return _script(
        _ACQUIRE, directory, owner, ttl=str(ttl), details=render_details(details), force="yes" if force else ""
    )


def renew(directory: str, owner: str, ttl: int) -> str:
    """Renew the lock, if it is still ours."""
    return _script(_RENEW, directory, owner, ttl=str(ttl))


def take_over(directory: str, owner: str, ttl: int, details: Details, expected: str) -> str:
    """Take the lock whose lease reads `expected`; if it reads differently by now, somebody else was faster."""
    return _script(_TAKE_OVER, directory, owner, ttl=str(ttl), details=render_details(details), expected=expected)


def release(directory: str, owner: str, force: bool = False) -> str:
    """Let go of the lock, if it is ours or with `force`."""
    return _script(_RELEASE, directory, owner, force="yes" if force else "")


def status(directory: str) -> str:
    return _script(_STATUS, directory, "nobody")


def _script(body: str, directory: str, owner: str, **variables: str) -> str:
    if not OWNER.fullmatch(owner):
        raise LockError(f"The owner of a deploy lock must consist of letters, digits and . _ @ : -, not {owner!r}.")
    known: Mapping[str, str] = {"lock": directory, "owner": owner, **variables}
    assignments = "".join(f"{name}={shlex.quote(value)}\n" for name, value in known.items())
    functions = _FUNCTIONS.replace("@MARK@", MARK).replace("@MINUTES@", str(HALF_MADE_MINUTES))
    return assignments + functions + body
