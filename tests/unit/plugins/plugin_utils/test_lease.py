# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The deploy lock: its files and verdicts in tables, its scripts in real shells in a temporary home."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import LockError
from ansible_collections.caravan.kamal.plugins.module_utils._names import Names
from ansible_collections.caravan.kamal.plugins.plugin_utils import lease, lease_script
from hypothesis import given
from hypothesis import strategies as st

DIRECTORY = ".kamal/lock-app"
DETAILS = lease.Details("Ada", "2026-11-21T07:00:00Z", "v1", "Automatic deploy lock")
NOW = int(time.time())
FUTURE = NOW + 10_000
SHELLS = [shell for shell in (["sh"], ["busybox", "sh"], ["bash"]) if shutil.which(shell[0])]


# Files


@pytest.mark.parametrize(
    "details, text",
    [
        (DETAILS, "Locked by: Ada at 2026-11-21T07:00:00Z\nVersion: v1\nMessage: Automatic deploy lock"),
        (lease.Details("Ü b", "T", "", "x\ny"), "Locked by: Ü b at T\nVersion: \nMessage: x y"),
    ],
)
def test_details_are_written_as_kamal_does(details, text):
    rendered = lease.render_details(details)
    assert base64.b64decode(rendered).decode() == text
    assert rendered.isascii()


@pytest.mark.parametrize(
    "text, details",
    [
        ("Locked by: Ada at 2026-11-21T07:00:00Z\nVersion: v1\nMessage: Automatic deploy lock", DETAILS),
        (
            "Locked by: Ada at Home at 2026\nVersion: a\nMessage: b\nc",
            lease.Details("Ada at Home", "2026", "a", "b\nc"),
        ),
        ("Locked by: \nVersion: \nMessage: ", lease.Details()),
        ("something else", lease.Details(message="something else")),
    ],
)
def test_details_are_read(text, details):
    encoded = base64.encodebytes(text.encode()).decode()
    assert lease.parse_details(encoded) == details


def test_details_that_are_not_encoded_are_shown_as_they_are():
    assert lease.parse_details("locked, ask Ada!\n") == lease.Details(message="locked, ask Ada!")


@pytest.mark.parametrize(
    "content, expected",
    [
        ('{"owner": "me", "acquired_at": 1, "expires_at": 2}', lease.Lease("me", 1, 2)),
        ('{"owner": "me"}', None),
        ("", None),
        ("[]", None),
        ('{"owner": "me", "acquired_at": "x", "expires_at": 2}', None),
    ],
)
def test_parse_lease(content, expected):
    assert lease.parse_lease(content) == expected


# Verdicts


def answer(outcome="held", now=100, details=None, found=None, text="", old=False):
    text = text or ("x" if found else "")
    return lease.Answer(outcome, now, details, found, text, old, has_lease=bool(text))


@given(st.text() | st.just("[" * 99999) | st.just('{"owner": "a", "acquired_at": 1e999, "expires_at": 1}'))
def test_garbage_is_no_lease_and_breaks_no_details(content):
    assert lease.parse_lease(content) is None or "owner" in content
    assert isinstance(lease.parse_details(content), lease.Details)


@given(st.lists(st.tuples(st.sampled_from(["outcome", "now", "number", "lease", "details", "old"]), st.text())))
def test_garbage_from_a_shell_is_an_answer_or_an_error_with_the_host(lines):
    output = "\n".join(f"{lease.MARK}{name}={text}" for name, text in lines)
    try:
        assert lease.parse_answer(output, "h1").now >= 0
    except LockError as error:
        assert "on h1" in error.message


@pytest.mark.parametrize(
    "given, verdict, takeover",
    [
        (answer("absent"), "free", False),
        (answer(found=lease.Lease("me", 1, 101)), "ours", False),
        (answer(found=lease.Lease("me", 1, 99)), "ours", False),
        (answer(found=lease.Lease("you", 1, 101), details=DETAILS), "held", False),
        (answer(found=lease.Lease("you", 1, 100), details=DETAILS), "expired", True),
        (answer(details=DETAILS), "foreign", False),
        (answer(details=DETAILS, old=True), "foreign", False),
        (answer(text="nonsense"), "half-made", False),
        (answer(text="nonsense", old=True), "broken", True),
        (answer(details=DETAILS, text="nonsense", old=True), "broken", True),
        (answer(), "half-made", False),
        (answer(old=True), "broken", True),
    ],
)
def test_judge(given, verdict, takeover):
    assert lease.judge(given, "me") == verdict
    assert lease.can_be_taken_over(verdict) is takeover


@pytest.mark.parametrize(
    ("expires", "ended", "verdict"), [(101, ["you"], "abandoned"), (101, ["other"], "held"), (99, ["you"], "expired")]
)
def test_a_lease_whose_run_has_ended_is_abandoned(expires, ended, verdict):
    given = answer(found=lease.Lease("you", 1, expires), details=DETAILS)
    assert lease.judge(given, "me", lambda owner: owner in ended) == verdict
    assert lease.can_be_taken_over(verdict) is (verdict != "held")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer(found=lease.Lease("you", 1, 101), details=DETAILS), True),
        (answer(), True),
        (answer(details=DETAILS), True),
        (answer(details=lease.Details("Bob", "T", "v1", "hands off")), False),
        (answer(text="nonsense", old=True), False),
    ],
    ids=["a run", "half made", "a run of Kamal", "by hand", "unreadable"],
)
def test_only_what_a_run_holds_may_end(given, expected):
    assert lease.may_end(given, lease.judge(given, "me")) is expected


@pytest.mark.parametrize(
    "given, parts",
    [
        (
            answer(found=lease.Lease("you", 0, 3600), details=DETAILS),
            ["Ada", "since 2026-11-21T07:00:00Z", "version v1", "Automatic", "expires at 1970-01-01T01:00:00Z"],
        ),
        (answer(details=DETAILS), ["held by Ada", "does not expire by itself"]),
        (answer(found=lease.Lease("you", 0, 3600)), ["somebody", "since 1970-01-01T00:00:00Z"]),
        (answer(), ["just now"]),
        (answer(old=True), ["more than 2 minutes"]),
        (answer(details=DETAILS, text="x", old=True), ["lease cannot be read", "more than 2 minutes"]),
    ],
)
def test_describe(given, parts):
    said = lease.describe(given, lease.judge(given, "me"))
    assert [part for part in parts if part not in said] == []


@pytest.mark.parametrize("owner", ["", "a b", "$(id)", "a'b", "ü"])
def test_an_owner_that_could_be_code_is_refused(owner):
    with pytest.raises(LockError, match="letters, digits"):
        lease_script.acquire(DIRECTORY, owner, 60, DETAILS)


@pytest.mark.parametrize(
    "output", ["", "Permission denied", "caravan-lock:error=disk full\ncaravan-lock:outcome=error\n"]
)
def test_an_answer_without_an_outcome_is_an_error(output):
    with pytest.raises(LockError, match="on web1 could not be used"):
        lease.parse_answer(output, "web1")


# Scripts


class Host:
    """A home directory, and the shell that works in it."""

    def __init__(self, home, shell):
        self.home = home
        self.shell = shell
        self.lock = home / DIRECTORY

    def ask(self, script):
        done = subprocess.run(
            [*self.shell, "-c", script],
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return lease.parse_answer(f"Welcome to web1!\n{done.stdout}", "web1")

    def acquire(self, owner, ttl=60, **options):
        return self.ask(lease_script.acquire(DIRECTORY, owner, ttl, DETAILS, **options))

    def lease(self):
        return json.loads((self.lock / "lease").read_text())

    def age(self, minutes):
        then = time.time() - minutes * 60
        os.utime(self.lock, (then, then))


@pytest.fixture(params=SHELLS, ids=" ".join)
def host(request, tmp_path):
    return Host(tmp_path, request.param)


def test_the_lock_is_taken_once(host):
    assert host.acquire("me").outcome == "acquired"
    second = host.acquire("you")
    assert second.outcome == "held"
    assert lease.judge(second, "you") == "held"
    assert second.details == DETAILS
    assert abs(second.now - time.time()) < 5
    assert second.lease.expires_at - second.lease.acquired_at in (60, 61)


def test_files_are_kamals_and_private(host):
    host.acquire("me")
    assert base64.b64decode((host.lock / "details").read_text()).startswith(b"Locked by: Ada at ")
    assert sorted(path.name for path in host.lock.iterdir()) == ["details", "lease"]
    assert host.lock.stat().st_mode & 0o777 == 0o700
    assert (host.lock / "lease").stat().st_mode & 0o777 == 0o600


def test_our_own_lock_is_renewed(host):
    host.acquire("me", ttl=1)
    before = host.lease()
    assert host.acquire("me", ttl=1000).outcome == "renewed"
    assert host.lease()["acquired_at"] == before["acquired_at"]
    assert host.lease()["expires_at"] >= before["expires_at"] + 900
    assert host.ask(lease_script.renew(DIRECTORY, "me", 5)).outcome == "renewed"


def test_what_is_not_ours_is_not_renewed(host):
    assert host.ask(lease_script.renew(DIRECTORY, "me", 60)).outcome == "absent"
    host.acquire("you")
    before = host.lease()
    assert host.ask(lease_script.renew(DIRECTORY, "me", 60)).outcome == "held"
    assert host.lease() == before


def test_without_a_time_there_is_no_lease(host):
    host.acquire("you")
    assert host.acquire("me", ttl=None, force=True).outcome == "acquired"
    assert [path.name for path in host.lock.iterdir()] == ["details"]
    assert lease.judge(host.acquire("me"), "me") == "foreign"


def test_an_expired_lease_is_taken_over(host):
    host.acquire("you", ttl=-1)
    found = host.acquire("me")
    assert lease.judge(found, "me") == "expired"
    assert host.ask(lease_script.take_over(DIRECTORY, "me", 60, DETAILS, found.lease_text)).outcome == "acquired"
    assert host.lease()["owner"] == "me"


@pytest.mark.parametrize("content", ["", "nonsense", '{"owner": "you", "acquired_at"'])
def test_an_unreadable_lease_is_taken_over_when_it_is_old(host, content):
    host.acquire("you")
    (host.lock / "lease").write_text(content)
    assert lease.judge(host.acquire("me"), "me") == "half-made"
    host.age(minutes=3)
    found = host.acquire("me")
    assert lease.judge(found, "me") == "broken"
    taken = host.ask(lease_script.take_over(DIRECTORY, "me", 60, DETAILS, found.lease_text))
    assert (taken.outcome, host.lease()["owner"]) == ("acquired", "me")


@pytest.mark.parametrize(
    ("lease_before", "turn_before", "expected"),
    [
        (None, None, NOW),
        (5, 7, NOW),
        (FUTURE, None, FUTURE + 1),
        (None, FUTURE, FUTURE + 1),
        (FUTURE, FUTURE + 7, FUTURE + 8),
        (FUTURE + 7, FUTURE, FUTURE + 8),
        (None, "nonsense", NOW),
    ],
    ids=["first", "later", "after a lease", "after a turn", "turn above", "lease above", "no number"],
)
def test_each_holder_has_a_higher_number(host, lease_before, turn_before, expected):
    """Than the one before it had and than the host has seen, although its clock was set back."""
    host.acquire("you", ttl=-1)
    found = host.acquire("me")
    if lease_before:
        text = json.dumps({**host.lease(), "acquired_at": lease_before})
        (host.lock / "lease").write_text(f"{text}\n")
        found = host.acquire("me")
    if turn_before:
        turn = json.dumps({"by": "x", "number": turn_before})
        left_by_a_kill = '\nx", "number": 7}\n'
        (host.home / lease_script.turn_file(DIRECTORY)).write_text(turn + left_by_a_kill)
    taken = host.ask(lease_script.take_over(DIRECTORY, "me", 60, DETAILS, found.lease_text))
    assert taken.number == host.lease()["acquired_at"]
    assert taken.number >= NOW if expected == NOW else taken.number == expected
    assert host.ask(lease_script.renew(DIRECTORY, "me", 60)).number == taken.number


def test_the_turn_lies_where_modules_look_for_it():
    names = Names("hello", "staging")
    assert lease_script.turn_file(names.lock_directory) == names.turn_file


def test_the_slower_of_two_does_not_take_over(host):
    host.acquire("old", ttl=-1)
    found = host.acquire("me")
    host.ask(lease_script.take_over(DIRECTORY, "you", 60, DETAILS, found.lease_text))
    late = host.ask(lease_script.take_over(DIRECTORY, "me", 60, DETAILS, found.lease_text))
    assert (late.outcome, lease.judge(late, "me")) == ("held", "held")
    assert host.lease()["owner"] == "you"


def test_what_was_released_meanwhile_is_not_taken_over(host):
    assert host.ask(lease_script.take_over(DIRECTORY, "me", 60, DETAILS, "x")).outcome == "absent"


def test_kamals_lock_is_foreign(host):
    host.lock.mkdir(parents=True)
    encoded = base64.encodebytes(
        b"Locked by: Bob at 2026-11-21T06:00:00Z\nVersion: v0\nMessage: hands off, " + b"x" * 80
    )
    (host.lock / "details").write_bytes(encoded + b"\n")
    host.age(600)
    found = host.acquire("me")
    assert lease.judge(found, "me") == "foreign"
    assert (found.details.by, found.details.version) == ("Bob", "v0")


def test_a_half_made_lock_gets_old(host):
    host.lock.mkdir(parents=True)
    assert lease.judge(host.acquire("me"), "me") == "half-made"
    host.age(5)
    for _attempt in range(2):
        found = host.acquire("me")
        assert lease.judge(found, "me") == "broken"
    assert host.ask(lease_script.take_over(DIRECTORY, "me", 60, DETAILS, found.lease_text)).outcome == "acquired"


def test_release(host):
    assert host.ask(lease_script.release(DIRECTORY, "me")).outcome == "absent"
    host.acquire("me")
    refused = host.ask(lease_script.release(DIRECTORY, "you"))
    assert (refused.outcome, refused.lease.owner) == ("held", "me")
    assert host.ask(lease_script.release(DIRECTORY, "me")).outcome == "released"
    assert list((host.home / ".kamal").iterdir()) == []


def test_force_breaks_any_lock(host):
    host.lock.mkdir(parents=True)
    (host.lock / "details").write_text("x")
    assert host.ask(lease_script.release(DIRECTORY, "me")).outcome == "held"
    assert host.ask(lease_script.release(DIRECTORY, "me", force=True)).outcome == "released"
    assert not host.lock.exists()
    host.acquire("you")
    assert host.acquire("me", force=True).outcome == "acquired"
    assert host.lease()["owner"] == "me"


def test_status_changes_nothing(host):
    assert host.ask(lease_script.status(DIRECTORY)).outcome == "absent"
    assert not (host.home / ".kamal").exists()
    host.acquire("me")
    host.age(10)
    before = host.lock.stat().st_mtime
    assert host.ask(lease_script.status(DIRECTORY)).lease.owner == "me"
    assert host.lock.stat().st_mtime == before


def test_a_guard_left_behind_does_not_last(host):
    host.acquire("me")
    (host.lock / "busy").mkdir()
    assert host.acquire("me").outcome == "held"
    then = time.time() - 180
    os.utime(host.lock / "busy", (then, then))
    assert host.acquire("me").outcome == "renewed"
    assert not (host.lock / "busy").exists()


def test_a_run_directory_that_cannot_be_made_is_said(host):
    (host.home / ".kamal").write_text("a file")
    with pytest.raises(LockError, match=r"(?i)(file exists|not a directory)"):
        host.acquire("me")


def test_of_many_only_one_gets_it(host):
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: host.acquire(f"run{number}").outcome, range(16)))
    assert sorted(outcomes) == ["acquired"] + ["held"] * 15


def test_of_many_only_one_takes_over(host):
    host.acquire("old", ttl=-1)
    text = host.acquire("x").lease_text
    scripts = [lease_script.take_over(DIRECTORY, f"run{number}", 60, DETAILS, text) for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda script: host.ask(script).outcome, scripts))
    assert sorted(outcomes) == ["acquired"] + ["held"] * 15
