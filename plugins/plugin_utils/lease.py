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
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Callable, Dict, List, Mapping, Optional

from ..module_utils._errors import LockError

AUTOMATIC = "Automatic deploy lock"
HALF_MADE_MINUTES = 2
OWNER = re.compile(r"[A-Za-z0-9._@:-]+")
MARK = "caravan-lock:"

FREE, OURS, HELD, EXPIRED, ABANDONED, FOREIGN, HALF_MADE, BROKEN = (
    "free",
    "ours",
    "held",
    "expired",
    "abandoned",
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
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


# What a host answered, and what it means


@dataclass(frozen=True)
class Answer:
    """`outcome` is acquired, renewed, released, absent or held; `number` that of the lease that this run has now; the
    rest is the lock that was there before. With `has_lease` and without `lease` its lease cannot be read."""

    outcome: str
    now: int
    details: Optional[Details]
    lease: Optional[Lease]
    lease_text: str
    old: bool
    number: Optional[int] = None
    has_lease: bool = False


def parse_answer(output: str, host: str) -> Answer:
    lines = [line[len(MARK) :] for line in output.splitlines() if line.startswith(MARK)]
    fields: Dict[str, str] = dict(line.split("=", 1) for line in lines if "=" in line)
    if "outcome" not in fields or "error" in fields:
        reason = fields.get("error") or output.strip() or "nothing was answered"
        raise LockError(
            f"The deploy lock on {host} could not be used: {reason}. "
            "Check that the user may write to .kamal in its home there and that the disk is not full."
        )
    lease_text = fields.get("lease", "")
    return Answer(
        outcome=fields["outcome"],
        now=_number(fields, "now") or 0,
        details=parse_details(fields["details"]) if fields.get("details") else None,
        lease=parse_lease(lease_text),
        lease_text=lease_text,
        old=fields.get("old") == "yes",
        has_lease="lease" in fields,
        number=_number(fields, "number"),
    )


def _number(fields: Mapping[str, str], name: str) -> Optional[int]:
    word = fields.get(name, "")
    return int(word) if re.fullmatch("[0-9]{1,18}", word) else None


def judge(answer: Answer, owner: str, has_ended: Callable[[str], bool] = lambda owner: False) -> str:
    """One of the words above, for the lock as the host had it. `has_ended` knows of other owners' processes."""
    if answer.outcome == "absent":
        return FREE
    if answer.lease:
        return _judge_lease(answer.lease, answer.now, owner, has_ended)
    if answer.details and not answer.has_lease:
        return FOREIGN
    return BROKEN if answer.old else HALF_MADE


def _judge_lease(lease: Lease, now: int, owner: str, has_ended: Callable[[str], bool]) -> str:
    if lease.owner == owner:
        return OURS
    if lease.expires_at <= now:
        return EXPIRED
    return ABANDONED if has_ended(lease.owner) else HELD


def can_be_taken_over(verdict: str) -> bool:
    return verdict in (EXPIRED, ABANDONED, BROKEN)


def may_end(answer: Answer, verdict: str) -> bool:
    """Whether the lock may be gone in a moment: a run has it. One that a person took lasts."""
    if verdict == FOREIGN:
        return answer.details is not None and answer.details.message == AUTOMATIC
    return verdict in (HELD, HALF_MADE)


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


def kamals_lines(answer: Answer) -> List[str]:
    """What `kamal lock status` prints, and when the lease ends if there is one."""
    who = holder(answer)
    lines = [
        f"Locked by: {who['performer'] or 'somebody'} at {who['since'] or 'an unknown time'}",
        f"Version: {who['version'] or ''}".rstrip(),
        f"Message: {who['message'] or ''}".rstrip(),
    ]
    return lines + ([f"Expires: {who['expires']}"] if who["expires"] else [])


def describe(answer: Answer, verdict: str) -> str:
    """Who has the lock, since when and for how long, in one sentence without an end."""
    if answer.has_lease and not answer.lease:
        return "its lease cannot be read" + (
            f", for more than {HALF_MADE_MINUTES} minutes" if verdict == BROKEN else ""
        )
    if verdict in (HALF_MADE, BROKEN):
        age = f"for more than {HALF_MADE_MINUTES} minutes" if verdict == BROKEN else "just now"
        return f"it was taken {age} by a run that has not said who it is"
    who = holder(answer)
    what = "".join(
        (f" for version {who['version']}" if who["version"] else "", f" ({who['message']})" if who["message"] else "")
    )
    until = f"it expires at {who['expires']}" if who["expires"] else "it does not expire by itself"
    if verdict == ABANDONED:
        until = "that run has ended without releasing it"
    return f"held by {who['performer'] or 'somebody'} since {who['since'] or 'an unknown time'}{what}; {until}"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
