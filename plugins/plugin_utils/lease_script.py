# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the lock's host is asked: one shell script, and one round trip, for each question."""

from __future__ import annotations

import shlex
from typing import Mapping, Optional

from ..module_utils._errors import LockError
from .lease import HALF_MADE_MINUTES, MARK, OWNER, Details, render_details

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

number() { sed -n '1s/.*"'"$2"'": \([0-9]\{1,15\}\).*/\1/p' "$1" 2>/dev/null; }

# Higher than that of the lease before and than what the host has seen, also when its clock was set back.
next_number() {
  next=$(date +%s)
  for before in "$(number "$lock/lease" acquired_at)" "$(number "$turn" number)"; do
    if [ "${before:-0}" -ge "$next" ]; then next=$((before + 1)); fi
  done
  echo "$next"
}

write_lease() {
  printf '{"owner": "%s", "acquired_at": %s, "expires_at": %s}\n' "$owner" "$1" "$(($(date +%s) + ttl))" \
    > "$lock/lease.new" && mv -f "$lock/lease.new" "$lock/lease" && say number "$1"
}

write_all() {
  printf '%s\n' "$details" > "$lock/details.new" && mv -f "$lock/details.new" "$lock/details" || return 1
  if [ "$ttl" = none ]; then rm -f "$lock/lease"; else write_lease "$(next_number)"; fi
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


def acquire(directory: str, owner: str, ttl: Optional[int], details: Details, force: bool = False) -> str:
    """Take the lock, or renew it where it is ours. With `force` it is ours whoever had it.

    `ttl` is in seconds; without one there is no lease, so that the lock is nobody's and lasts until it is released.
    """
    seconds = "none" if ttl is None else str(ttl)
    return _script(
        _ACQUIRE, directory, owner, ttl=seconds, details=render_details(details), force="yes" if force else ""
    )


def renew(directory: str, owner: str, ttl: int) -> str:
    """Renew the lock, if it is still ours."""
    return _script(_RENEW, directory, owner, ttl=str(ttl))


def take_over(directory: str, owner: str, ttl: Optional[int], details: Details, expected: str) -> str:
    """Take the lock whose lease reads `expected`; if it reads differently by now, somebody else was faster."""
    return _script(_TAKE_OVER, directory, owner, ttl=_seconds(ttl), details=render_details(details), expected=expected)


def release(directory: str, owner: str, force: bool = False) -> str:
    """Let go of the lock, if it is ours or with `force`."""
    return _script(_RELEASE, directory, owner, force="yes" if force else "")


def status(directory: str) -> str:
    return _script(_STATUS, directory, "nobody")


def turn_file(directory: str) -> str:
    """Where the lock's host has noted which run changed the service there last, beside the lock."""
    folder, _slash, name = directory.rpartition("/")
    return f"{folder or '.'}/turn-{name[len('lock-') :] if name.startswith('lock-') else name}"


def _seconds(ttl: Optional[int]) -> str:
    return "none" if ttl is None else str(ttl)


def _script(body: str, directory: str, owner: str, **variables: str) -> str:
    if not OWNER.fullmatch(owner):
        raise LockError(f"The owner of a deploy lock must consist of letters, digits and . _ @ : -, not {owner!r}.")
    known: Mapping[str, str] = {"lock": directory, "turn": turn_file(directory), "owner": owner, **variables}
    assignments = "".join(f"{name}={shlex.quote(value)}\n" for name, value in known.items())
    functions = _FUNCTIONS.replace("@MARK@", MARK).replace("@MINUTES@", str(HALF_MADE_MINUTES))
    return assignments + functions + body
